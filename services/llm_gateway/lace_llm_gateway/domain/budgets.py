"""What a tenant and its principals may spend in a day and a month, and when a call is one too many.

Days and months are those of UTC. What is spent counts, and so does what processes hold in leased slices, so that any
number of processes together stay within a limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from lace_core.errors import Detail, LaceError, Reason

# A refusal for what others hold passes as soon as they settle or give it back.
_HELD_WAIT_S = 2.0
# Near a limit slices become small, so that no process holds what another needs: a quarter of what is left at most.
_SHARE = 4
# A counter is of no use once its month is over and the leases of its last day are settled; the ledger has the sums.
COUNTER_DAYS = 62


@dataclass(frozen=True)
class Amount:
    """Tokens, and millionths of a US dollar."""

    tokens: int = 0
    micro_usd: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.tokens + other.tokens, self.micro_usd + other.micro_usd)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.tokens - other.tokens, self.micro_usd - other.micro_usd)

    def or_more(self, other: Amount) -> Amount:
        """Of each the larger."""
        return Amount(max(self.tokens, other.tokens), max(self.micro_usd, other.micro_usd))


NOTHING = Amount()


@dataclass(frozen=True)
class BudgetLimits:
    """What control says of a tenant; 0 is no limit. `principal_*` holds for each of its principals.

    `version` counts up with every change; 0 while nothing was ever set.
    """

    tokens_per_day: int = 0
    tokens_per_month: int = 0
    micro_usd_per_day: int = 0
    micro_usd_per_month: int = 0
    principal_tokens_per_day: int = 0
    principal_tokens_per_month: int = 0
    principal_micro_usd_per_day: int = 0
    principal_micro_usd_per_month: int = 0
    version: int = 0

    @property
    def bounds_tokens(self) -> bool:
        """Whether any limit is one of tokens."""
        return any(getattr(self, name) for name in LIMITS if "tokens" in name)

    @property
    def bounds_money(self) -> bool:
        """Whether any limit is one of money."""
        return any(getattr(self, name) for name in LIMITS if "micro_usd" in name)


LIMITS = tuple(name for name in BudgetLimits.__dataclass_fields__ if name != "version")
UNLIMITED = BudgetLimits()


class Period(StrEnum):
    """What a limit is for."""

    DAY = "day"
    MONTH = "month"

    def start(self, day: date) -> date:
        """The first day of the period that the day is in."""
        return day if self is Period.DAY else day.replace(day=1)

    def end(self, start: date) -> datetime:
        """The moment at which the period that begins on that day is over."""
        following = start + timedelta(days=1 if self is Period.DAY else 32)
        return datetime.combine(self.start(following), time(), UTC)


@dataclass(frozen=True, order=True)
class CounterKey:
    """Whose spending in which period; an empty principal stands for the tenant as a whole."""

    tenant_id: str
    principal_id: str
    period: Period
    starts_on: date

    @property
    def resets_at(self) -> datetime:
        """When the period is over."""
        return self.period.end(self.starts_on)


@dataclass(frozen=True)
class Counter:
    """What was spent, and what processes hold beyond it."""

    spent: Amount = NOTHING
    leased: Amount = NOTHING


def counter_keys(tenant_id: str, principal_id: str, day: date) -> tuple[CounterKey, ...]:
    """The counters of a call on that day: of its tenant, and of its principal where there is one."""
    owners = ("", principal_id) if principal_id else ("",)
    return tuple(
        CounterKey(tenant_id, owner, period, period.start(day))
        for owner in owners
        for period in (Period.DAY, Period.MONTH)
    )


def limit_names(key: CounterKey) -> tuple[str, str]:
    """The names of the limits, in tokens and in money, that bound a counter."""
    prefix = "principal_" if key.principal_id else ""
    return f"{prefix}tokens_per_{key.period.value}", f"{prefix}micro_usd_per_{key.period.value}"


@dataclass(frozen=True)
class Room:
    """How much of the tightest limit is left, None where there is none; `limit` and `key` say which that is."""

    left: int | None = None
    limit: str = ""
    key: CounterKey | None = None
    spent: int = 0


@dataclass(frozen=True)
class Granted:
    """What may be leased, and the room that was found for it in tokens and in money."""

    amount: Amount
    tokens: Room
    micro_usd: Room


def grant(
    limits: BudgetLimits, counters: Mapping[CounterKey, Counter], keys: Iterable[CounterKey], need: Amount, wish: Amount
) -> Granted:
    """The wish where there is plenty, the need where there is that, and else what there is.

    What no limit bounds is granted as needed: nobody holds what is endless.
    """
    rooms: list[Room] = []
    for at, dimension in enumerate(("tokens", "micro_usd")):
        tightest = Room()
        for key in keys:
            name, counter = limit_names(key)[at], counters[key]
            bound = getattr(limits, name)
            if bound:
                spent = getattr(counter.spent, dimension)
                left = bound - spent - getattr(counter.leased, dimension)
                if tightest.left is None or left < tightest.left:
                    tightest = Room(left, name, key, spent)
        rooms.append(tightest)
    tokens, micro_usd = rooms
    amount = Amount(_share(tokens, need.tokens, wish.tokens), _share(micro_usd, need.micro_usd, wish.micro_usd))
    return Granted(amount, tokens, micro_usd)


def _share(room: Room, need: int, wish: int) -> int:
    if room.left is None:
        return need
    left = max(0, room.left)
    return min(max(need, min(wish, left // _SHARE)), left)


def shortage(granted: Granted, missing: Amount) -> Room | None:
    """The room that is too small for what is still missing after the grant; None where there is enough."""
    for room, got, short in (
        (granted.tokens, granted.amount.tokens, missing.tokens),
        (granted.micro_usd, granted.amount.micro_usd, missing.micro_usd),
    ):
        if room.left is not None and short > 0 and short > max(0, room.left) - got:
            return room
    return None


def refusal(room: Room, limits: BudgetLimits, call: Amount, now: datetime) -> LaceError:
    """Why a call that may take so much is not made, as there is too little room.

    Where that is only since calls under way hold it, it is worth to try again soon; else not before the period is over.
    """
    assert room.key is not None
    bound, resets_at = getattr(limits, room.limit), room.key.resets_at
    in_tokens = "tokens" in room.limit
    need, unit = (call.tokens, "tokens") if in_tokens else (call.micro_usd, "millionths of a US dollar")
    whose = "principal" if room.key.principal_id else "tenant"
    held = room.spent + need <= bound
    until = "calls under way hold the rest" if held else f"it begins anew at {_moment(resets_at)}"
    return LaceError(
        Reason.QUOTA_EXCEEDED,
        f"The {whose} has spent {room.spent} of {bound} {unit} of this {room.key.period.value}, and the call may take "
        f"{need}; {until}.",
        details=[
            Detail("limit", room.limit),
            Detail("of", str(bound)),
            Detail("spent", str(room.spent)),
            Detail("resets_at", _moment(resets_at)),
        ],
        retryable=held,
        retry_after=_HELD_WAIT_S if held else max(1.0, (resets_at - now).total_seconds()),
    )


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
