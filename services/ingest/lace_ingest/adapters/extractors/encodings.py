"""Decodes text files: UTF-8, UTF-16 and UTF-32 by their marks, Windows-1252 as the last resort, said in a warning."""

from __future__ import annotations

import codecs

from lace_core.errors import LaceError, Reason

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL_SHARE = 0.01
_BROKEN_SHARE = 0.1  # of what is not ASCII: a damaged UTF-8 text, not one in another encoding


def decode(data: bytes) -> tuple[str, tuple[str, ...]]:
    """The text and warnings about how it was read.

    Raises SOURCE_UNREADABLE for bytes that are no text: broken UTF-16 or UTF-32, or too many control characters.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode_marked(data, encoding), ()
    text = data.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    if broken <= _BROKEN_SHARE * sum(1 for char in text if char > "\x7f"):
        _refuse_binary(text)
        return text, (f"{broken} places in the text are not UTF-8 and were replaced.",) if broken else ()
    text = _refuse_binary(data.decode("cp1252", errors="replace"))
    return text, ("The text is not UTF-8; it was read as Windows-1252.",)


def _decode_marked(data: bytes, encoding: str) -> str:
    try:
        return _refuse_binary(data.decode(encoding))
    except UnicodeDecodeError:
        raise LaceError(Reason.SOURCE_UNREADABLE, f"The file is marked as {encoding} but is not.") from None


def _refuse_binary(text: str) -> str:
    controls = sum(1 for char in text[:20_000] if (char < " " and char not in "\t\n\r\f\v\x1b") or char == "\ufffd")
    if "\x00" in text or controls > max(8, _CONTROL_SHARE * min(len(text), 20_000)):
        raise LaceError(Reason.SOURCE_UNREADABLE, "The file is not text.")
    return text
