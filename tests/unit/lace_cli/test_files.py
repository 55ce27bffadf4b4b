"""Which documents are found on disk, and what files of a document are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from lace_cli.failures import CommandError
from lace_cli.files import Globs, find_documents, slug
from lace_cli.ingestion import portions


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.md", "a.txt", "sub/c.PDF", "sub/deeper/d.json", "e.docx", "picture.png", ".hidden.md", ".git/x.md"):
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "docs"


def names(paths: tuple[Path, ...], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def test_a_folder_is_read_with_all_below_it(folder: Path) -> None:
    found = find_documents([folder])
    assert names(found.documents, folder) == ["a.txt", "b.md", "e.docx", "sub/c.PDF", "sub/deeper/d.json"]
    assert names(found.skipped, folder) == ["picture.png"]


def test_what_is_passed_by_is_counted(folder: Path) -> None:
    (folder / "sub" / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "link.md").symlink_to(folder / "b.md")
    found = find_documents([folder])
    assert (found.hidden, found.links, found.left_out) == (2, 2, 0)
    assert names(found.documents, folder) == ["a.txt", "b.md", "e.docx", "sub/c.PDF", "sub/deeper/d.json"]


@pytest.mark.parametrize(
    ("include", "exclude", "wanted"),
    [
        (("*.md", "*.txt"), (), ["a.txt", "b.md"]),
        ((), ("sub/*",), ["a.txt", "b.md", "e.docx"]),
        (("sub/*",), ("*.json",), ["sub/c.PDF"]),
        ((), ("*.png",), ["a.txt", "b.md", "e.docx", "sub/c.PDF", "sub/deeper/d.json"]),
    ],
)
def test_globs_say_which_files_of_a_folder(
    folder: Path, include: tuple[str, ...], exclude: tuple[str, ...], wanted: list[str]
) -> None:
    found = find_documents([folder], Globs(include, exclude))
    assert names(found.documents, folder) == wanted
    assert len(found.documents) + len(found.skipped) + found.left_out == 6


def test_globs_say_nothing_of_a_file_that_is_named(folder: Path) -> None:
    assert find_documents([folder / "b.md"], Globs(exclude=("*.md",))).documents == (folder / "b.md",)


def test_a_named_file_is_left_to_the_service_to_judge(folder: Path) -> None:
    found = find_documents([folder / "picture.png", folder / "b.md", folder / "b.md"])
    assert names(found.documents, folder) == ["picture.png", "b.md"]
    assert found.skipped == ()


def test_a_folder_that_holds_itself_ends(folder: Path) -> None:
    (folder / "sub" / "loop").symlink_to(folder, target_is_directory=True)
    assert len(find_documents([folder]).documents) == 5


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        find_documents([tmp_path])
    assert caught.value.code == "SOURCE_EMPTY"
    assert "md, txt, json, docx or pdf" in caught.value.advice


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="does not exist") as caught:
        find_documents([tmp_path / "nowhere"])
    assert caught.value.code == "PATH_NOT_FOUND"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Harrow Bay: what was built", "harrow-bay-what-was-built"),
        ("../../etc/passwd", "etc-passwd"),
        ("Größe & Maß", "groe-ma"),
        ("日本語", "document"),
        ("", "document"),
        ("word " * 50, "-".join(["word"] * 12)),
    ],
)
def test_a_title_gives_a_plain_file_name(title: str, name: str) -> None:
    assert slug(title) == name


def test_uploads_go_in_portions(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.txt" for number in range(450)]
    for path in paths:
        path.write_text("x")
    found = list(portions(paths))
    assert [len(portion) for portion in found] == [200, 200, 50]
    assert [path for portion in found for path in portion] == paths


def test_a_big_file_goes_alone(tmp_path: Path) -> None:
    small, big, other = (tmp_path / name for name in ("small.txt", "big.txt", "other.txt"))
    small.write_text("x")
    other.write_text("x")
    with big.open("wb") as file:
        file.truncate(150 << 20)
    assert list(portions([small, big, other])) == [[small], [big], [other]]
