"""Reads YAML that people write by hand: plain JSON values, and where in the text each of them stands."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs
import yaml

MOST_BYTES = 262_144
_DEEPEST = 32
_MOST_VALUES = 20_000
_MASK = "\ue000"
_LONGEST_SHOWN = 80
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where the wheel has it: ten times faster
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?[0-9]{1,17}\.[0-9]{1,17}")
# An escape can write what the text itself may not hold: databases refuse the one, encoders the other.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}


@dataclass(frozen=True)
class Mark:
    """A place in a text; both from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Problem:
    """What is wrong at a place: `pointer` is a JSON Pointer into the value, `mark` says where that is in the text.

    `code` is one of TOO_LARGE, NOT_UTF8, NOT_YAML, ALIAS, TAG, TOO_DEEP, TOO_MANY, KEY_REPEATED, KEY_UNKNOWN,
    KEY_MISSING, TYPE, VALUE.
    """

    pointer: str
    mark: Mark
    message: str
    code: str = "VALUE"

    def __str__(self) -> str:
        at = f" ({self.pointer})" if self.pointer else ""
        return f"line {self.mark.line}, column {self.mark.column}{at}: {self.message}"


class MarkedYamlError(ValueError):
    """The text is no YAML that is read here."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True)
class MarkedYaml:
    """A JSON value (dict, list, str, int, float, bool, None) and the place of each part by its JSON Pointer."""

    value: Any
    marks: Mapping[str, Mark]

    def problem(self, pointer: str, message: str, code: str = "VALUE") -> Problem:
        """A problem at a pointer; where nothing stands there, at the nearest part around it."""
        at = pointer
        while at and at not in self.marks:
            at = at.rpartition("/")[0]
        return Problem(pointer, self.marks.get(at, Mark(1, 1)), message, code)


def read(text: str | bytes) -> MarkedYaml:
    """The value of one YAML document.

    What a reader could misunderstand is refused: anchors, tags, keys that are there twice or are no text, and more
    than one document. Plain words mean what they mean in JSON (`no` is a text). Raises MarkedYamlError.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(raw) > MOST_BYTES:
        raise _error(Mark(1, 1), f"The text has {len(raw)} bytes, and {MOST_BYTES} are allowed.", "TOO_LARGE")
    try:
        decoded = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _error(Mark(line, 1), "The text is not UTF-8.", "NOT_UTF8") from None
    builder = _Builder()
    try:
        for event in yaml.parse(decoded, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _error(_mark(error.problem_mark), f"This is not YAML: {error.problem}.") from None
    except yaml.reader.ReaderError as error:
        line = decoded.count("\n", 0, error.position) + 1
        raise _error(Mark(line, 1), "The text holds a character that YAML does not allow.") from None
    if not builder.done:
        raise _error(Mark(1, 1), "The text is empty.")
    return MarkedYaml(builder.done[0], builder.marks)


@dataclass
class _Open:
    """A list or mapping whose end has not come; `key` is the key whose value comes next."""

    pointer: str
    value: Any
    key: str | None = None


@dataclass
class _Builder:
    """Builds the value from the parser's events, without recursion: depth is the writer's to choose, not to abuse."""

    done: list[Any] = field(default_factory=list)
    marks: dict[str, Mark] = field(default_factory=dict)
    stack: list[_Open] = field(default_factory=list)

    def take(self, event: Any) -> None:
        """The parser's next event."""
        mark = _mark(event.start_mark)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _error(mark, "Anchors and aliases (& and *) are not read here; write it out.", "ALIAS")
        if getattr(event, "tag", None):
            raise _error(mark, "Tags (!) are not read here.", "TAG")
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, mark)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._begin({} if isinstance(event, yaml.MappingStartEvent) else [], mark)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self.stack.pop()

    def _scalar(self, event: Any, mark: Mark) -> None:
        if _UNPRINTABLE.search(event.value):
            raise _error(mark, "The text holds a character that cannot be shown.")
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            if event.value in top.value:
                raise _error(mark, f"{event.value!r} is there twice.", "KEY_REPEATED")
            top.key = event.value
            self.marks[_below(top.pointer, event.value)] = mark
            return
        self._add(_plain(event.value) if event.implicit[0] else event.value, mark)

    def _begin(self, value: Any, mark: Mark) -> None:
        if len(self.stack) >= _DEEPEST:
            raise _error(mark, f"This is nested deeper than {_DEEPEST} levels.", "TOO_DEEP")
        self.stack.append(_Open(self._add(value, mark), value))

    def _add(self, value: Any, mark: Mark) -> str:
        """Puts a value where it belongs; its pointer."""
        if not self.stack:
            if self.done:
                raise _error(mark, "There is a second document; one is read.")
            self.done.append(value)
            self.marks[""] = mark
            return ""
        top = self.stack[-1]
        if isinstance(top.value, dict):
            if top.key is None:
                raise _error(mark, "A key must be a text.")
            pointer = _below(top.pointer, top.key)
            top.value[top.key], top.key = value, None
        else:
            pointer = f"{top.pointer}/{len(top.value)}"
            top.value.append(value)
            self.marks[pointer] = mark
        if len(self.marks) > _MOST_VALUES:
            raise _error(mark, f"There are more than {_MOST_VALUES} values.", "TOO_MANY")
        return pointer


def _plain(text: str) -> Any:
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


def _below(pointer: str, key: str) -> str:
    return f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"


def _mark(mark: Any) -> Mark:
    return Mark(mark.line + 1, mark.column + 1) if mark is not None else Mark(1, 1)


def _error(mark: Mark, message: str, code: str = "NOT_YAML") -> MarkedYamlError:
    return MarkedYamlError(Problem("", mark, message, code))


def schema_problems(marked: MarkedYaml, schema: Mapping[str, Any], pointer: str = "") -> Iterator[Problem]:
    """Where the part at a pointer breaks a JSON Schema (2020-12), in the order of the text's parts.

    Fields that the schema does not know come with the nearest that it does.
    """
    part = part_at(marked.value, pointer)
    for error in jsonschema_rs.validator_for(dict(schema), mask=_MASK).iter_errors(part):
        at = pointer + "".join(_below("", str(step)) for step in error.instance_path)
        yield from _told(marked, at, error, schema)


def _told(marked: MarkedYaml, at: str, error: Any, schema: Mapping[str, Any]) -> Iterator[Problem]:
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        known = _known_fields(schema, error.schema_path)
        for name in error.kind.unexpected:
            yield marked.problem(
                _below(at, name), f"There is no field {name!r} here.{did_you_mean(name, known)}", "KEY_UNKNOWN"
            )
        return
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Enum):
        word = str(part_at(marked.value, at))[:100]
        yield marked.problem(at, f"{word!r} is not known here.{did_you_mean(word, map(str, error.kind.options))}")
        return
    value = part_at(marked.value, at)
    is_short = not isinstance(value, list | dict) and len(str(value)) <= _LONGEST_SHOWN
    shown = json.dumps(value, ensure_ascii=False) if is_short else "This"
    message = error.message.replace(_MASK, shown, 1)
    yield marked.problem(at, f"{message[:1].upper()}{message[1:500]}.", _code_of(error.kind))


def _code_of(kind: Any) -> str:
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Type):
        return "TYPE"
    return "KEY_MISSING" if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required) else "VALUE"


def _known_fields(schema: Mapping[str, Any], path: Iterable[str | int]) -> Sequence[str]:
    """The names of the fields of the object whose `additionalProperties` a path through a schema leads to."""
    at: Any = schema
    for step in list(path)[:-1]:
        at = part_at(schema, at["$ref"].removeprefix("#")) if step == "$ref" else at[step]
    return tuple(at.get("properties", ()))


def part_at(value: Any, pointer: str) -> Any:
    """The part of a JSON value at a JSON Pointer; raises LookupError where nothing stands."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown word: the nearest one that is known, or all where none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(word[:100], names, n=1, cutoff=0.6)
    if near:
        return f" Did you mean {near[0]!r}?"
    return f" There are: {', '.join(names)}." if names else ""
