"""What calls used, summed by one of the things that the ledger knows of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from lace_core.errors import LaceError, Reason

_DAYS = 30
_LONGEST_DAYS = 3660


class UsageBy(StrEnum):
    """What usage is summed by."""

    DAY = "day"
    MODEL = "model"
    PRINCIPAL = "principal"
    RUN = "run"


@dataclass(frozen=True)
class UsageQuery:
    """Sums of the calls that began from `start` on and before `end`, both in UTC."""

    by: UsageBy
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Usage:
    """One sum; `key` is (day, ""), (provider, model), (principal, "") or (run, ""). Cost in millionths of a dollar."""

    key: tuple[str, str]
    calls: int
    failed_calls: int
    input_tokens: int
    output_tokens: int
    cost_micro_usd: int


def usage_query(by: UsageBy, from_day: str, to_day: str, now: datetime) -> UsageQuery:
    """The query for whole days, the last one included; 30 days up to today where none are named.

    Raises LaceError INVALID_ARGUMENT for what is no day, and for days in the wrong order.
    """
    last = _day(to_day, "to_day") if to_day else now.astimezone(UTC).date()
    first = _day(from_day, "from_day") if from_day else last - timedelta(days=_DAYS - 1)
    if not timedelta(0) <= last - first <= timedelta(days=_LONGEST_DAYS):
        raise LaceError(Reason.INVALID_ARGUMENT, f"from_day must be before to_day, and within {_LONGEST_DAYS} days.")
    return UsageQuery(by, _midnight(first), _midnight(last + timedelta(days=1)))


def _day(text: str, name: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise LaceError(Reason.INVALID_ARGUMENT, f"{name}: {text!r} is no day like 2026-11-21.") from None
    if not date(2000, 1, 1) <= found <= date(9999, 1, 1):
        raise LaceError(Reason.INVALID_ARGUMENT, f"{name}: {text!r} is out of range.")
    return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
