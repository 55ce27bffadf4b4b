"""The reasons of lace_core and those on the wire are the same closed set."""

from __future__ import annotations

from lace.common.v1 import error_reason_pb2
from lace_core.errors import Reason

_PREFIX = "ERROR_REASON_"


def test_both_sides_have_the_same_names() -> None:
    wire = {name for name, _ in error_reason_pb2.ErrorReason.items() if name != f"{_PREFIX}UNSPECIFIED"}
    assert wire == {f"{_PREFIX}{reason.name}" for reason in Reason}


def test_nothing_is_the_unspecified_value() -> None:
    assert error_reason_pb2.ErrorReason.Value(f"{_PREFIX}UNSPECIFIED") == 0


def test_numbers_follow_the_order_in_which_reasons_were_added() -> None:
    numbers = [error_reason_pb2.ErrorReason.Value(f"{_PREFIX}{reason.name}") for reason in Reason]
    assert numbers == sorted(numbers)
