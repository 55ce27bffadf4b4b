"""Checks messages: the rules of buf.validate in their descriptors, and values that no rule needs to name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import protovalidate
from google.protobuf.message import Message

from lace_core.errors import Detail, LaceError, Reason
from lace_platform.rpc.well_known import untellable

_MAX_DETAILS = 50

# Compiles the rules of a type when it first meets it, and keeps them.
_validator = protovalidate.Validator()


def validate(message: Message) -> None:
    """Raises LaceError INVALID_ARGUMENT with a JSON Pointer for each rule that the message breaks."""
    details = [
        Detail(_pointer(_segments(violation.proto)), violation.proto.message)
        for violation in _validator.collect_violations(message)
    ]
    details += [Detail(_pointer(path), why) for path, why in untellable(message)]
    if not details:
        return
    first = details[0]
    more = f" ({len(details) - 1} more in details)" if len(details) > 1 else ""
    told = f"{first.field}: {first.description}{more}."
    raise LaceError(Reason.INVALID_ARGUMENT, told, details=details[:_MAX_DETAILS])


def _segments(violation: Any) -> list[str]:
    segments: list[str] = []
    for element in violation.field.elements if violation.field is not None else ():
        segments.append(element.field_name)
        if element.subscript is not None:
            segments.append(str(element.subscript.value))
    return segments


def _pointer(segments: Iterable[str]) -> str:
    return "/" + "/".join(segment.replace("~", "~0").replace("/", "~1") for segment in segments)
