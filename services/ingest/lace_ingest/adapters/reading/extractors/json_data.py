"""Reads JSON: keys become headings, records tables, long strings paragraphs; numbers keep their lexemes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.reading.extractors.encodings import decode
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.reading.anchors import without_noncharacters
from lace_ingest.domain.reading.pieces import Grid, Heading, Item, Listing, Piece, Prose, Reading

_PROSE_CHARS = 160
_INLINE_LIST_CHARS = 120
_MAX_COLUMNS = 16
_COLUMNS_WITH_INNER = 10
_INNER_CHARS = 40
_SENTENCE_CHARS = 30
_INNER = "\u0000"
_LONG = "\u0000long"
_TITLES = ("title", "name", "document", "heading", "subject")
_NAMES = ("title", "name", "label", "heading", "id", "key")
_METADATA = frozenset(
    "author authors created created_at date modified updated publisher subject keywords language lang version".split()
)
# Possessive: a string of 50 MB is one step, and leaves no way back to remember.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PARAGRAPH = re.compile(r"\n\s*\n")


class Number(str):
    """The lexeme of a number."""

    __slots__ = ()


Value = dict[str, Any] | list[Any] | str | bool | None


def extract(data: bytes, limits: ExtractionLimits) -> Reading:
    """The pieces of a JSON file.

    Raises SOURCE_LIMIT_EXCEEDED when it nests too deep, SOURCE_UNREADABLE for what is no JSON (a key given twice,
    NaN and infinities included).
    """
    decoded = decode(data)
    value = parse(decoded.text, limits.json_depth)
    return Reading(
        tuple(_walk(value, 1)),
        _title(value),
        warnings=decoded.warnings,
        metadata=tuple(_metadata(value)),
        extractability=decoded.extractability,
    )


def _metadata(value: Value) -> Iterator[tuple[str, str]]:
    """What the outermost object says of the document in short: its author, its dates."""
    for key, part in value.items() if isinstance(value, dict) else ():
        text = _inline(part)
        if text and key.lower() in _METADATA:
            yield key, text


def _title(value: Value) -> str:
    lowered = {key.lower(): part for key, part in value.items()} if isinstance(value, dict) else {}
    found = (lowered[key] for key in _TITLES if _is_text(lowered.get(key)))
    return next((text for text in found if 0 < len(text) <= _PROSE_CHARS), "")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Number)


def parse(text: str, depth: int) -> Value:
    """The value of a JSON text, numbers as their lexemes; `depth` is the deepest nesting that is read."""
    _refuse_deep(text, depth)
    try:
        value: Value = json.loads(
            text, object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        raise _unreadable(f"{error.msg} (line {error.lineno}, column {error.colno})") from None
    return value


def _refuse_deep(text: str, limit: int) -> None:
    """Counts brackets before anything recursive runs over them."""
    level = 0
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark in ("[", "{"):
            level += 1
            if level > limit:
                raise LaceError(Reason.SOURCE_LIMIT_EXCEEDED, f"The JSON is nested deeper than {limit} levels.")
        elif mark in ("]", "}"):
            level -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _unreadable(f"the key {twice[:60]!r} stands twice in one object")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise _unreadable(f"{name} is no JSON number")


def _unreadable(why: str) -> LaceError:
    return LaceError(Reason.SOURCE_UNREADABLE, f"The file is not JSON: {why}.")


def _walk(value: Value, level: int) -> Iterator[Piece]:
    """The pieces of a value; headings below it have `level`."""
    if isinstance(value, dict):
        yield from _walk_object(value, level)
    elif isinstance(value, list):
        yield from _walk_array(value, level)
    elif _shown(value):
        yield from _paragraphs(_shown(value))


def _walk_object(value: dict[str, Any], level: int) -> Iterator[Piece]:
    """What an object says of itself as a table of two columns, then each part under its key."""
    short = {key: _inline(part) for key, part in value.items()}
    rows = tuple((humanise(key), text) for key, text in short.items() if text is not None)
    if rows:
        yield Grid(("Field", "Value"), rows)
    for key, part in value.items():
        if short[key] is None:
            yield Heading(level, humanise(key))
            yield from _walk(part, level + 1)


def _walk_array(value: list[Any], level: int) -> Iterator[Piece]:
    if not value:
        return
    if all(isinstance(part, dict) for part in value):
        yield from _records(value, level)
    elif any(isinstance(part, dict | list) for part in value):
        for number, part in enumerate(value, start=1):
            yield Heading(level, f"Item {number}")
            yield from _walk(part, level + 1)
    elif any(len(_shown(part)) > _PROSE_CHARS for part in value):
        for part in value:
            yield from _paragraphs(_shown(part))
    else:
        yield Listing(tuple(Item(_shown(part)) for part in value))


def _records(records: Sequence[dict[str, Any]], level: int) -> Iterator[Piece]:
    """Like records as one table of their short members, and their prose under a heading for each record."""
    if len(records) == 1:
        yield from _walk_object(records[0], level)
        return
    flat = _flattened(records)
    columns = _table_columns(flat)
    if columns:
        rows = tuple(tuple(record.get(key, "") for key in columns) for record in flat)
        yield Grid(tuple(humanise(key) for key in columns), rows)
    covered = set(columns) | {column.partition(_INNER)[0] for column in columns}
    left = [{key: part for key, part in record.items() if key not in covered and part} for record in records]
    is_prose = all(isinstance(part, str) for rest in left for part in rest.values())
    is_single = len({key for rest in left for key in rest}) == 1
    for number, (rest, short) in enumerate(zip(left, flat, strict=True), start=1):
        if not rest:
            continue
        yield Heading(level, _name(short) or f"Item {number}")
        if is_prose and columns:
            yield from _prose_members(rest, level + 1, is_single=is_single)
        else:
            yield from _walk_object(rest, level + 1)


def _prose_members(members: dict[str, str], level: int, *, is_single: bool) -> Iterator[Piece]:
    for key, text in members.items():
        if not is_single:
            yield Heading(level, humanise(key))
        yield from _paragraphs(text)


def _flattened(records: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """The members of each record that fit a cell; an inner object as columns of its own where there is room."""
    wide = [_flatten(record, as_columns=True) for record in records]
    if len({key for record in wide for key in record}) <= _COLUMNS_WITH_INNER:
        return wide
    return [_flatten(record, as_columns=False) for record in records]


def _flatten(record: dict[str, Any], *, as_columns: bool) -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, part in record.items():
        if not isinstance(part, dict):
            flat[key] = _inline(part) if _inline(part) is not None else _LONG  # type: ignore[assignment]
            continue
        inner = {name: _inline(value) for name, value in part.items()}
        if not all(text is not None and len(text) <= _INNER_CHARS for text in inner.values()):
            flat[key] = _LONG
        elif as_columns:
            flat.update({f"{key}{_INNER}{name}": text or "" for name, text in inner.items()})
        else:
            flat[key] = ", ".join(f"{humanise(name).lower()} {text}" for name, text in inner.items() if text)
    return flat


def _table_columns(flat: Sequence[dict[str, str]]) -> list[str]:
    """The keys that make a table of these records: short in all of them, and not a column of sentences.

    All such keys where they fill half of the table, else those that half of the records share; none where that
    leaves fewer than two columns or too many.
    """
    values: dict[str, list[str]] = {}
    for record in flat:
        for key, text in record.items():
            values.setdefault(key, []).append(text)
    columns = [key for key, texts in values.items() if _LONG not in texts and not _are_sentences(texts)]
    if len(columns) > _MAX_COLUMNS or 2 * sum(len(values[key]) for key in columns) < len(flat) * len(columns):
        columns = [key for key in columns if 2 * len(values[key]) >= len(flat)]
    return columns if 2 <= len(columns) <= _MAX_COLUMNS else []


def _are_sentences(texts: Sequence[str]) -> bool:
    filled = [text for text in texts if text]
    stopped = sum(1 for text in filled if text[-1] in ".!?" and len(text) > _SENTENCE_CHARS)
    return bool(filled) and 2 * stopped >= len(filled)


def _name(record: dict[str, str]) -> str:
    """What a record is called: a member that names things, else its first short one."""
    lowered = {key.lower(): text for key, text in record.items()}
    named = next((lowered[key] for key in _NAMES if lowered.get(key, _LONG) != _LONG), "")
    return named or next((text for text in record.values() if text != _LONG), "")


def _inline(value: Value) -> str | None:
    """A value that fits into a cell, None where it needs room of its own."""
    if isinstance(value, dict):
        return None
    if isinstance(value, list):
        if any(isinstance(part, dict | list) for part in value):
            return None
        text = ", ".join(_shown(part) for part in value)
        return text if len(text) <= _INLINE_LIST_CHARS else None
    text = _shown(value)
    return text if len(text) <= _PROSE_CHARS and "\n\n" not in text else None


def _shown(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return without_noncharacters(str(value))


def _paragraphs(text: str) -> Iterator[Prose]:
    for part in _PARAGRAPH.split(text.replace("\r\n", "\n")):
        if part.strip():
            yield Prose(part)


def humanise(key: str) -> str:
    """A key as a person would write it: `annual_outputMwh` is "Annual output Mwh"."""
    words = _CAMEL.sub(" ", re.sub(r"[_.\x00]+|(?<=\w)-(?=\w)", " ", key)).strip() or key
    return words[:1].upper() + words[1:]
