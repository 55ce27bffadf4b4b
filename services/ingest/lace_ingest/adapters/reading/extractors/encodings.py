"""Decodes text files: UTF-8, UTF-16 and UTF-32 by their marks, Windows-1252 as the last resort, said in a warning."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from lace_core.errors import LaceError, Reason
from lace_ingest.domain.documents import WHOLE
from lace_ingest.domain.extraction_warnings import ExtractionWarning, WarningCode
from lace_ingest.domain.reading.anchors import without_noncharacters

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL_SHARE = 0.01
_BROKEN_SHARE = 0.1  # of what is not ASCII: a damaged UTF-8 text, not one in another encoding


@dataclass(frozen=True)
class Decoded:
    """A text, how it was read where that is worth a word, and the share of its characters that are certain."""

    text: str
    warnings: tuple[ExtractionWarning, ...] = ()
    extractability: int = WHOLE


def decode(data: bytes) -> Decoded:
    """The text of a file, without noncharacters of Unicode.

    Raises SOURCE_UNREADABLE for bytes that are no text: broken UTF-16 or UTF-32, or too many control characters.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return Decoded(_decode_marked(data, encoding))
    text = data.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    if not broken:
        return Decoded(_checked(text))
    if broken <= _BROKEN_SHARE * sum(1 for char in text if char > "\x7f"):
        message = f"{broken} places in the text are not UTF-8 and were replaced."
        return Decoded(
            _checked(text),
            (ExtractionWarning(WarningCode.ENCODING_DAMAGED, message, count=broken),),
            WHOLE * (len(text) - broken) // len(text),
        )
    message = "The text is not UTF-8; it was read as Windows-1252."
    guessed = data.decode("cp1252", errors="replace")
    return Decoded(_checked(guessed), (ExtractionWarning(WarningCode.ENCODING_GUESSED, message),))


def _decode_marked(data: bytes, encoding: str) -> str:
    try:
        return _checked(data.decode(encoding))
    except UnicodeDecodeError:
        raise LaceError(Reason.SOURCE_UNREADABLE, f"The file is marked as {encoding} but is not.") from None


def _checked(text: str) -> str:
    controls = sum(1 for char in text[:20_000] if (char < " " and char not in "\t\n\r\f\v\x1b") or char == "\ufffd")
    if "\x00" in text:
        raise LaceError(Reason.SOURCE_UNREADABLE, "The file is not text: it holds null characters.")
    if controls > max(8, _CONTROL_SHARE * min(len(text), 20_000)):
        raise LaceError(Reason.SOURCE_UNREADABLE, "The file is not text.")
    return without_noncharacters(text)
