"""Checks messages against the rules of buf.validate in their descriptors."""

from __future__ import annotations

from typing import Any

import protovalidate
from google.protobuf.message import Message

from lace_core.errors import Detail, LaceError, Reason

_MAX_DETAILS = 50

# Compiles the rules of a type when it first meets it, and keeps them.
_validator = protovalidate.Validator()


def validate(message: Message) -> None:
    """Raises LaceError INVALID_ARGUMENT with a JSON Pointer for each rule that the message breaks."""
    violations = _validator.collect_violations(message)
    if not violations:
        return
    details = [Detail(_pointer(violation.proto), violation.proto.message) for violation in violations[:_MAX_DETAILS]]
    first = details[0]
    more = f" ({len(violations) - 1} more in details)" if len(violations) > 1 else ""
    raise LaceError(Reason.INVALID_ARGUMENT, f"{first.field}: {first.description}{more}.", details=details)


def _pointer(violation: Any) -> str:
    segments: list[str] = []
    for element in violation.field.elements if violation.field is not None else ():
        segments.append(element.field_name)
        if element.subscript is not None:
            segments.append(str(element.subscript.value))
    return "/" + "/".join(segment.replace("~", "~0").replace("/", "~1") for segment in segments)
