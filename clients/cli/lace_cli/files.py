"""Documents on disk: what of the given paths can be read, and what is passed over."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lace_cli.failures import WRONG_USE, CommandError

ENDINGS = frozenset({".md", ".markdown", ".txt", ".text", ".json", ".docx", ".pdf"})
_LONGEST_NAME = 60
FORMATS = "md, txt, json, docx or pdf"


@dataclass(frozen=True)
class Found:
    """Documents to upload, in the order of their paths, and other files of the folders that were named."""

    documents: tuple[Path, ...]
    skipped: tuple[Path, ...]


def find_documents(paths: Sequence[Path]) -> Found:
    """Files as they are named; folders with all below them, without hidden files.

    A file that is named itself is never passed over: whether it can be read is the service's to say. Raises
    CommandError where a path does not exist or there is no document at all.
    """
    documents: dict[Path, None] = {}
    skipped: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise CommandError(f"{path} does not exist.", code="PATH_NOT_FOUND", exit_code=WRONG_USE)
        if not path.is_dir():
            documents[path] = None
            continue
        for file in _below(path):
            (documents if file.suffix.lower() in ENDINGS else skipped)[file] = None
    if not documents:
        places = ", ".join(map(str, paths))
        raise CommandError(
            f"There is no document in {places}.",
            code="SOURCE_EMPTY",
            advice=f"Name a folder with documents, or the documents: {FORMATS}.",
        )
    return Found(tuple(documents), tuple(skipped))


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if not path.is_dir():
            yield path
        elif not path.is_symlink():  # it may lead back up
            yield from _below(path)


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
