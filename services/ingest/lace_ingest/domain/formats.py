"""Which of the five formats a file has: its name says so and its first bytes must not contradict."""

from __future__ import annotations

import unicodedata
from enum import StrEnum

from lace_core.errors import LaceError, Reason
from lace_ingest.domain.reading.signatures import is_encrypted_office, is_old_office, is_zip, named


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
_ARCHIVES = frozenset({"zip", "tar", "gz", "tgz", "bz2", "xz", "7z", "rar"})
_PDF_HEADER, _PDF_HEADER_WITHIN = b"%PDF-", 1024


def check_filename(filename: str) -> SourceFormat:
    """The format that a file name declares.

    Raises SOURCE_NAME_INVALID for a name that is no plain file name, SOURCE_FORMAT_UNSUPPORTED for another ending.
    """
    problem = _name_problem(filename)
    if problem:
        raise LaceError(Reason.SOURCE_NAME_INVALID, f"A file name {problem}.")
    ending = filename.rpartition(".")[2].lower() if "." in filename else ""
    found = _ENDINGS.get(ending)
    if ending in _ARCHIVES:
        message = f"{filename} is an archive; unpack it and send the files in it, each by itself."
        raise LaceError(Reason.SOURCE_FORMAT_UNSUPPORTED, message)
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
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in filename):
        return "may not contain control characters"
    if len(filename.encode()) > FILENAME_BYTES:
        return f"may not be longer than {FILENAME_BYTES} bytes"
    if filename.startswith(".") or filename != filename.strip():
        return "may not begin with a dot or begin or end with a space"
    return ""


def check_content(filename: str, declared: SourceFormat, head: bytes) -> None:
    """Raises where the first bytes (up to SNIFF_BYTES) cannot be of the declared format.

    SOURCE_FORMAT_UNSUPPORTED: they are of another known kind, which the message names. SOURCE_UNREADABLE: they are of
    none that is known, and not of the declared one. Nothing is ever read as another format than its name declares. An
    old Office file named docx passes: only the whole of it tells whether it is encrypted.
    """
    if _fits(declared, head):
        return
    found = named(head)
    if found:
        raise _mismatch(filename, declared, found)
    what = "PDF file" if declared is SourceFormat.PDF else "DOCX file (not a zip)"
    raise LaceError(Reason.SOURCE_UNREADABLE, f"{filename} is not a {what}.")


def check_whole(filename: str, declared: SourceFormat, data: bytes) -> None:
    """As check_content, for what only a whole file tells: also raises SOURCE_ENCRYPTED."""
    check_content(filename, declared, data[:SNIFF_BYTES])
    if is_encrypted_office(data):
        raise LaceError(Reason.SOURCE_ENCRYPTED, f"{filename} is encrypted; remove its password.")
    if is_old_office(data):
        raise _mismatch(filename, declared, named(data[:SNIFF_BYTES]))


def _fits(declared: SourceFormat, head: bytes) -> bool:
    if declared is SourceFormat.PDF:
        return _PDF_HEADER in head[:_PDF_HEADER_WITHIN] and not is_zip(head)
    if declared is SourceFormat.DOCX:
        return is_old_office(head) or (is_zip(head) and named(head) in ("a DOCX file", "a zip file"))
    return not named(head)


def _mismatch(filename: str, declared: SourceFormat, found: str) -> LaceError:
    return LaceError(
        Reason.SOURCE_FORMAT_UNSUPPORTED, f"{filename} is named .{declared.value} but its content is {found}."
    )
