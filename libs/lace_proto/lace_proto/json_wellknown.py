"""JSON forms of Google's well-known messages: times, durations, free JSON, wrappers, field masks."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from google.protobuf import wrappers_pb2
from google.protobuf.message import Message

from lace_core.errors import Detail
from lace_proto.json_scalars import Refused, scalar_of
from lace_proto.json_text import escape

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))")
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s")
_DURATION_MAX_S = 315_576_000_000
_SAFE_INTEGER = 2**53


@dataclass
class Reading:
    """One reading under way: how deep it may go, and what was refused where.

    A tolerant one passes over fields and enum members that it does not know: a newer version may have them.
    """

    max_depth: int
    tolerant: bool = False
    wrong: list[Detail] = field(default_factory=list)
    unknown: list[Detail] = field(default_factory=list)
    too_deep: bool = False

    def refuse(self, pointer: str, description: str) -> None:
        """Notes a value that its field cannot hold."""
        self.wrong.append(Detail(pointer or "/", description))

    def may_descend(self, pointer: str) -> bool:
        """False, and noted, where `pointer` is deeper than the reading may go."""
        self.too_deep = self.too_deep or pointer.count("/") >= self.max_depth
        return not self.too_deep


@dataclass(frozen=True)
class WellKnown:
    """Both directions of one message type; `read` fills the message and notes what it refuses."""

    read: Callable[[Any, Any, str, Reading], None]
    write: Callable[[Any], Any]


def _simple(read: Callable[[Any, Any], None], write: Callable[[Any], Any]) -> WellKnown:
    """A message whose JSON form is one scalar; its `read` raises Refused."""

    def guarded(message: Message, value: Any, pointer: str, reading: Reading) -> None:
        try:
            read(message, value)
        except Refused as refused:
            reading.refuse(pointer, str(refused))

    return WellKnown(guarded, write)


def _read_time(message: Any, value: Any) -> None:
    match = _TIME.fullmatch(value) if type(value) is str else None
    if match is None:
        raise Refused("must be a time as in 2026-11-21T09:30:00Z")
    day, clock, fraction, sign, hours, minutes = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}+00:00")
        if sign:
            offset = timezone(timedelta(hours=int(hours), minutes=int(minutes)) * (1 if sign == "+" else -1))
            moment = moment.replace(tzinfo=offset).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused("is no time that exists") from None
    since = moment - _EPOCH
    message.seconds = since.days * 86_400 + since.seconds
    message.nanos = int((fraction or "").ljust(9, "0"))


def _write_time(message: Any) -> str:
    moment = _EPOCH + timedelta(seconds=message.seconds)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    nanos = message.nanos
    if not nanos:
        return text + "Z"
    return f"{text}.{nanos:09d}Z" if nanos % 1000 else f"{text}.{nanos // 1000:06d}Z"


def _read_duration(message: Any, value: Any) -> None:
    match = _DURATION.fullmatch(value) if type(value) is str else None
    if match is None or int(match[2]) > _DURATION_MAX_S:
        raise Refused("must be a duration in seconds as in 1.5s")
    sign = -1 if match[1] else 1
    message.seconds = sign * int(match[2])
    message.nanos = sign * int((match[3] or "").ljust(9, "0"))


def _write_duration(message: Any) -> str:
    sign = "-" if message.seconds < 0 or message.nanos < 0 else ""
    fraction = f"{abs(message.nanos):09d}".rstrip("0")
    return f"{sign}{abs(message.seconds)}{'.' + fraction if fraction else ''}s"


def _read_mask(message: Any, value: Any) -> None:
    if type(value) is not str or not re.fullmatch(r"[a-z0-9_.]+(,[a-z0-9_.]+)*|", value):
        raise Refused("must be field names as in title,labels")
    message.paths.extend(value.split(",") if value else [])


def _read_struct(message: Any, value: Any, pointer: str, reading: Reading) -> None:
    if type(value) is not dict:
        reading.refuse(pointer, "must be an object")
    elif reading.may_descend(pointer):
        for key, member in value.items():
            _read_value(message.fields[key], member, f"{pointer}/{escape(key)}", reading)


def _read_list(message: Any, value: Any, pointer: str, reading: Reading) -> None:
    if type(value) is not list:
        reading.refuse(pointer, "must be an array")
    elif reading.may_descend(pointer):
        for index, member in enumerate(value):
            _read_value(message.values.add(), member, f"{pointer}/{index}", reading)


def _read_value(message: Any, value: Any, pointer: str, reading: Reading) -> None:
    if value is None:
        message.null_value = 0
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, str):
        message.string_value = value
    elif isinstance(value, int) and abs(value) > _SAFE_INTEGER:
        reading.refuse(pointer, "must be a number of at most 53 bits; send a longer one as a string")
    elif isinstance(value, (int, float)):
        message.number_value = value
    elif isinstance(value, dict):
        message.struct_value.SetInParent()
        _read_struct(message.struct_value, value, pointer, reading)
    else:
        message.list_value.SetInParent()
        _read_list(message.list_value, value, pointer, reading)


def _write_struct(message: Any) -> dict[str, Any]:
    return {key: _write_value(value) for key, value in message.fields.items()}


def _write_list(message: Any) -> list[Any]:
    return [_write_value(value) for value in message.values]


def _write_value(message: Any) -> Any:
    kind = message.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    if kind == "number_value":
        return _write_number(message.number_value)
    if kind == "struct_value":
        return _write_struct(message.struct_value)
    if kind == "list_value":
        return _write_list(message.list_value)
    return getattr(message, kind)


def _write_number(number: float) -> int | float:
    if not math.isfinite(number):
        raise ValueError("NaN and the infinities have no place in free JSON")
    whole = number.is_integer() and abs(number) <= _SAFE_INTEGER and not (number == 0 and math.copysign(1, number) < 0)
    return int(number) if whole else number


def _wrapper(name: str) -> WellKnown:
    scalar = scalar_of(wrappers_pb2.DESCRIPTOR.message_types_by_name[name].fields_by_name["value"])
    write = scalar.write or (lambda value: value)

    def read(message: Any, value: Any) -> None:
        message.value = scalar.read(value)

    return _simple(read, lambda message: write(message.value))


WELL_KNOWN: dict[str, WellKnown] = {
    "google.protobuf.Timestamp": _simple(_read_time, _write_time),
    "google.protobuf.Duration": _simple(_read_duration, _write_duration),
    "google.protobuf.FieldMask": _simple(_read_mask, lambda message: ",".join(message.paths)),
    "google.protobuf.Struct": WellKnown(_read_struct, _write_struct),
    "google.protobuf.ListValue": WellKnown(_read_list, _write_list),
    "google.protobuf.Value": WellKnown(_read_value, _write_value),
    **{
        f"google.protobuf.{kind}Value": _wrapper(f"{kind}Value")
        for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
    },
}
