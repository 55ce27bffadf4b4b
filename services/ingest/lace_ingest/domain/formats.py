"""Which of the five formats a file has: its name says so and its first bytes must not contradict."""

from __future__ import annotations

import unicodedata
from enum import StrEnum

from lace_core.errors import LaceError, Reason


class SourceFormat(StrEnum):
    """The formats that can be read."""

    MD = "md"
    TXT = "txt"
    JSON = "json"
    DOCX = "docx"
    PDF = "pdf"


MEDIA_TYPES = {
    SourceFormat.MD: "text/markdown",
    SourceFormat.TXT: "text/plain",
    SourceFormat.JSON: "application/json",
    SourceFormat.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    SourceFormat.PDF: "application/pdf",
}
FILENAME_BYTES = 255
SNIFF_BYTES = 4096
_ENDINGS = {**{f.value: f for f in SourceFormat}, "markdown": SourceFormat.MD, "text": SourceFormat.TXT}
_FOREIGN = {
    b"PK\x03\x04": "a zip file",
    b"PK\x05\x06": "an empty zip file",
    b"%PDF-": "a PDF file",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Office file (doc, xls, ppt) or an encrypted one",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"\x1f\x8b": "a gzip file",
    b"7z\xbc\xaf": "a 7z file",
    b"Rar!": "a rar file",
    b"\x7fELF": "a program",
    b"{\\rtf": "an RTF file",
}
_PREFIX = {SourceFormat.DOCX: b"PK", SourceFormat.PDF: b"%PDF-"}
_PDF_HEADER_WITHIN = 1024


def check_filename(filename: str) -> SourceFormat:
    """The format that a file name declares.

    Raises SOURCE_NAME_INVALID for a name that is no plain file name, SOURCE_FORMAT_UNSUPPORTED for another ending.
    """
    problem = _name_problem(filename)
    if problem:
        raise LaceError(Reason.SOURCE_NAME_INVALID, f"A file name {problem}.")
    ending = filename.rpartition(".")[2].lower() if "." in filename else ""
    found = _ENDINGS.get(ending)
    if found is None:
        raise LaceError(Reason.SOURCE_FORMAT_UNSUPPORTED, f"{filename}: use md, txt, json, docx or pdf.")
    return found


def _name_problem(filename: str) -> str:
    if not filename.strip():
        return "may not be empty"
    if ".." in filename:
        return "may not contain '..'"
    if "/" in filename or "\\" in filename:
        return "may not contain a path"
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in filename):
        return "may not contain control characters"
    if len(filename.encode()) > FILENAME_BYTES:
        return f"may not be longer than {FILENAME_BYTES} bytes"
    if filename.startswith(".") or filename != filename.strip():
        return "may not begin with a dot or begin or end with a space"
    return ""


def check_content(filename: str, declared: SourceFormat, head: bytes) -> None:
    """Raises where the first bytes (up to SNIFF_BYTES) cannot be of the declared format.

    SOURCE_UNREADABLE: the ending promises a format that the bytes do not have. SOURCE_FORMAT_UNSUPPORTED: a text
    ending on bytes of a known other format. Nothing is ever read as another format than its name declares.
    """
    foreign = next((name for magic, name in _FOREIGN.items() if head.startswith(magic)), "")
    if declared is SourceFormat.PDF:
        if _PREFIX[declared] not in head[:_PDF_HEADER_WITHIN]:
            raise LaceError(Reason.SOURCE_UNREADABLE, f"{filename} is not a PDF file{_but(foreign)}.")
    elif declared is SourceFormat.DOCX:
        if not head.startswith(_PREFIX[declared]):
            raise LaceError(Reason.SOURCE_UNREADABLE, f"{filename} is not a DOCX file (not a zip){_but(foreign)}.")
    elif foreign:
        raise LaceError(
            Reason.SOURCE_FORMAT_UNSUPPORTED, f"{filename} is named .{declared.value} but its content is {foreign}."
        )


def _but(foreign: str) -> str:
    return f"; it looks like {foreign}" if foreign else ""
