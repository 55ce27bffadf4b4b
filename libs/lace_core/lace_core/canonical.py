"""Canonical JSON, canonical text and the hashes made of them; everything that hashes uses this module.

Canonical JSON is RFC 8785 with one number rule more: a number is rounded as a decimal, half up, to six
fractional digits, written without exponent and without trailing zeros, and minus zero is zero.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import orjson

_QUANTUM = Decimal("0.000001")
_MAX_SAFE = 2**53 - 1
_LEXEME = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,18})?")
_MOST_DIGITS = 400  # more than any binary double has before the point


def sha256_hex(data: bytes) -> str:
    """Lower-case hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def canonical_text(text: str) -> str:
    """NFC, CRLF and CR to LF, white space at the end of each line and of the text stripped."""
    unified = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    return "\n".join(line.rstrip() for line in unified.split("\n")).rstrip("\n")


def nfc_length(text: str) -> int:
    """The number of Unicode code points of the text's NFC form: what the limits of texts are counted in."""
    return len(unicodedata.normalize("NFC", text))


def canonical_number(lexeme: str) -> str:
    """The canonical form of a number given by its decimal lexeme.

    Raises ValueError for NaN, infinities, what is no JSON number, and numbers of more than 400 digits before the point.
    """
    if not _LEXEME.fullmatch(lexeme):
        raise ValueError(f"not a finite number: {lexeme[:40]!r}")
    value = Decimal(lexeme)
    if not value or value.adjusted() < -7:
        return "0"
    if value.adjusted() >= _MOST_DIGITS:
        raise ValueError(f"too large a number: {lexeme[:40]!r}")
    rounded = value.quantize(_QUANTUM, context=Context(prec=_MOST_DIGITS + 8, rounding=ROUND_HALF_UP))
    text = format(rounded, "f").rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def canonical_json(value: Any) -> bytes:
    """UTF-8 bytes of the canonical form of a JSON value (dict, list, tuple, str, bool, None, int, float, Decimal).

    Raises ValueError for NaN, infinities, lone surrogates and what is nested too deeply, TypeError for keys that are
    no strings and for values that JSON does not have.
    """
    try:
        if _is_plain(value):
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONEncodeError, RecursionError):  # too deep, or a lone surrogate: what follows tells them apart
        pass
    pieces: list[str] = []
    try:
        _write(value, pieces)
        return "".join(pieces).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("a lone surrogate has no canonical form") from None


def hash_json(value: Any) -> str:
    """SHA-256 (hexadecimal) of the canonical form."""
    return sha256_hex(canonical_json(value))


def canonical_json_of_text(text: str | bytes) -> bytes:
    """Canonical form of a JSON text, numbers taken from their lexemes and never through a float.

    Raises ValueError for what is no JSON and what has no canonical form.
    """
    try:
        value = _DECODER.decode(text if isinstance(text, str) else text.decode(json.detect_encoding(text)))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return canonical_json(value)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"not a finite number: {name}")


# Made once: json.loads makes one at every call that names how numbers are read.
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse_constant)


def _is_plain(value: Any) -> bool:
    """Whether orjson's sorted output is already canonical: no fractions, safe integers, ASCII keys."""
    kind = type(value)
    if kind is str:
        return True
    if kind is int:
        return bool(-_MAX_SAFE <= value <= _MAX_SAFE)
    if kind is dict:
        for name, inner in value.items():
            if type(name) is not str or not name.isascii() or not (type(inner) is str or _is_plain(inner)):
                return False
        return True
    if kind is list or kind is tuple:
        return all(map(_is_plain, value))
    return value is None or kind is bool


def _write(value: Any, out: list[str]) -> None:
    if value is None or isinstance(value, bool):
        out.append("null" if value is None else "true" if value else "false")
    elif isinstance(value, str):
        out.append(_string(value))
    elif isinstance(value, int | float | Decimal):
        out.append(canonical_number(repr(value) if isinstance(value, float) else str(value)))
    elif isinstance(value, dict):
        _write_object(value, out)
    elif isinstance(value, list | tuple):
        out.append("[")
        for index, item in enumerate(value):
            if index:
                out.append(",")
            _write(item, out)
        out.append("]")
    else:
        raise TypeError(f"JSON has no {type(value).__name__}")


def _write_object(value: dict[Any, Any], out: list[str]) -> None:
    if not all(isinstance(key, str) for key in value):
        raise TypeError("the keys of a JSON object are strings")
    out.append("{")
    for index, key in enumerate(sorted(value, key=_utf16)):
        if index:
            out.append(",")
        out.append(_string(key))
        out.append(":")
        _write(value[key], out)
    out.append("}")


def _string(text: str) -> str:
    text.encode()  # refuses lone surrogates
    return orjson.dumps(text).decode()


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be")
