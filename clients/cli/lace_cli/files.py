"""Documents on disk: what of the given paths can be read, and what is passed over."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from lace_cli.failures import WRONG_USE, CommandError

ENDINGS = frozenset({".md", ".markdown", ".txt", ".text", ".json", ".docx", ".pdf"})
_LONGEST_NAME = 60
FORMATS = "md, txt, json, docx or pdf"


@dataclass(frozen=True)
class Found:
    """Documents to upload, in the order of their paths, and other files of the folders that were named.

    `hidden`, `links` and `left_out` count files and folders with a dot before their names, symbolic links, and what
    the globs leave out.
    """

    documents: tuple[Path, ...]
    skipped: tuple[Path, ...]
    hidden: int = 0
    links: int = 0
    left_out: int = 0


@dataclass(frozen=True)
class Globs:
    """Which files of a folder are wanted: those that match one of `include` (all where empty), none of `exclude`.

    A pattern with a slash is compared with the path below the folder, another with the name alone.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def take(self, path: str) -> bool:
        """Whether a file, by its path below the folder, is wanted."""
        wanted = not self.include or any(_matches(path, pattern) for pattern in self.include)
        return wanted and not any(_matches(path, pattern) for pattern in self.exclude)


def _matches(path: str, pattern: str) -> bool:
    return fnmatchcase(path if "/" in pattern else path.rpartition("/")[2], pattern)


class _Walk:
    """One walk through the folders: what it finds, and counts of what it passes by."""

    def __init__(self, globs: Globs) -> None:
        self._globs = globs
        self.hidden = self.links = self.left_out = 0

    def below(self, root: Path, folder: Path) -> Iterator[Path]:
        """The files below a folder, sorted; no link is followed: it may lead back up, or out."""
        for path in sorted(folder.iterdir()):
            if path.name.startswith("."):
                self.hidden += 1
            elif path.is_symlink():
                self.links += 1
            elif path.is_dir():
                yield from self.below(root, path)
            elif self._globs.take(path.relative_to(root).as_posix()):
                yield path
            else:
                self.left_out += 1


def find_documents(paths: Sequence[Path], globs: Globs | None = None) -> Found:
    """Files as they are named; folders with all below them that the globs want, without hidden files and links.

    A file that is named itself is never passed over: whether it can be read is the service's to say. Raises
    CommandError where a path does not exist or there is no document at all.
    """
    documents: dict[Path, None] = {}
    skipped: dict[Path, None] = {}
    walk = _Walk(globs or Globs())
    for path in paths:
        if not path.exists():
            raise CommandError(f"{path} does not exist.", code="PATH_NOT_FOUND", exit_code=WRONG_USE)
        if not path.is_dir():
            documents[path] = None
            continue
        for file in walk.below(path, path):
            (documents if file.suffix.lower() in ENDINGS else skipped)[file] = None
    if not documents:
        places = ", ".join(map(str, paths))
        raise CommandError(
            f"There is no document in {places}.",
            code="SOURCE_EMPTY",
            advice=f"Name a folder with documents, or the documents: {FORMATS}.",
        )
    return Found(tuple(documents), tuple(skipped), walk.hidden, walk.links, walk.left_out)


def writable_folder(path: Path) -> Path:
    """The folder as it is, which may not be there yet. Raises CommandError where no file could be written into it.

    Asked before anything is done: who finds out afterwards has waited, and may have paid, for nothing.
    """
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return path
    why = "may not be written to" if there.is_dir() else "is a file"
    raise CommandError(
        f"No files can be saved in {path}: {there} {why}.",
        code="OUT_NOT_WRITABLE",
        advice="Name another folder: --out FOLDER",
        exit_code=WRONG_USE,
    )


def slug(title: str) -> str:
    """A file name out of a title: `Harrow Bay: what was built` gives `harrow-bay-what-was-built`."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = "".join(char if char.isalnum() else " " for char in plain).split()
    name = ""
    for word in words:
        if len(name) + len(word) > _LONGEST_NAME:
            break
        name = f"{name}-{word}" if name else word
    return name or "document"
