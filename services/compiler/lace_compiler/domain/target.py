"""The formats a revision can be compiled to, with their media types and file names."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

from lace_core.errors import LaceError, Reason

_NAME_LENGTH = 80


class Target(StrEnum):
    """A format; the value is its name on the wire."""

    MD = "md"
    DOCX = "docx"
    PDF = "pdf"
    OWL = "owl"

    @property
    def media_type(self) -> str:
        """IANA media type of the file."""
        return _MEDIA_TYPES[self]

    @property
    def extension(self) -> str:
        """Extension of the file, without dot."""
        return "ttl" if self is Target.OWL else self.value


_MEDIA_TYPES = {
    Target.MD: "text/markdown; charset=utf-8",
    Target.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    Target.PDF: "application/pdf",
    Target.OWL: "text/turtle; charset=utf-8",
}


def target_of(name: str) -> Target:
    """The target of that name; raises COMPILE_TARGET_UNKNOWN."""
    try:
        return Target(name)
    except ValueError:
        names = ", ".join(Target)
        raise LaceError(Reason.COMPILE_TARGET_UNKNOWN, f"There is no target {name!r}; there are {names}.") from None


def filename(title: str, target: Target) -> str:
    """A name to save the file under: the title in letters, digits and dashes, at most 80 characters."""
    plain = unicodedata.normalize("NFC", title).casefold()
    words = re.findall(r"[^\W_]+", plain)
    stem = "-".join(words)[:_NAME_LENGTH].strip("-") or "document"
    return f"{stem}.{target.extension}"
