"""What tokens cost: prices as settings write them, and what no price can be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from lace_core.errors import LaceError, Reason
from lace_core.model_names import model_name

# A dollar for one token: the dearest models cost less than a thousandth of that.
HIGHEST_MICRO_USD = 1_000_000_000_000
_MICRO = 1_000_000
_FORM = "provider/model=IN:OUT@YYYY-MM-DD"
_PRICE = re.compile(r"(?P<name>[^=]+)=(?P<input>[^:@]+):(?P<output>[^:@]+)@(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})")
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LONGEST = 300


@dataclass(frozen=True)
class Price:
    """What a million tokens of a model cost from a day (YYYY-MM-DD) on, in millionths of a US dollar."""

    provider: str
    model: str
    input_micro_usd: int
    output_micro_usd: int
    day: str

    def refuse_before(self, today: str) -> None:
        """Raises LaceError PRICE_INVALID where the price is dated after today, YYYY-MM-DD in UTC."""
        if self.day > today:
            name = f"{self.provider}/{self.model}"
            raise LaceError(Reason.PRICE_INVALID, f"The price of {name} is of {self.day}, which is yet to come.")


@lru_cache(maxsize=1024)  # every call of a tenant that has prices of its own asks for them
def parse_price(text: str) -> Price:
    """openai/gpt-4o=2.50:10@2026-01-31 means 2.50 dollars for a million tokens in and 10 for a million out.

    Raises LaceError PRICE_INVALID for what is no price: another form, negative, or beyond a dollar for one token.
    """
    found = _PRICE.fullmatch(text.strip()[:_LONGEST])
    if found is None:
        raise LaceError(Reason.PRICE_INVALID, f"{text[:100]!r} is no price; write {_FORM}, in dollars a million.")
    name, day = found["name"].strip(), found["day"]
    try:
        provider, model = model_name(name)
    except LaceError as error:
        raise LaceError(Reason.PRICE_INVALID, f"The price is of no model: {error.message}") from None
    if not model:
        raise LaceError(Reason.PRICE_INVALID, f"The price of {name} names no model; write {_FORM}.")
    if not _is_day(day):
        raise LaceError(Reason.PRICE_INVALID, f"The price of {name} holds from {day!r}, which is no day.")
    return Price(provider, model, _micro_usd(name, found["input"]), _micro_usd(name, found["output"]), day)


def _is_day(text: str) -> bool:
    year, month, day = map(int, text.split("-"))
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return year > 0 and 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1] + leap


def _micro_usd(name: str, text: str) -> int:
    """Of the dollars for a million tokens, which may be beyond what can be multiplied."""
    try:
        dollars = Decimal(text.strip())
        if not dollars.is_finite():
            raise InvalidOperation
    except InvalidOperation:
        raise LaceError(Reason.PRICE_INVALID, f"The price of {name} is no number of dollars: {text[:40]!r}.") from None
    if dollars < 0:
        raise LaceError(Reason.PRICE_INVALID, f"The price of {name} is negative.")
    if dollars > HIGHEST_MICRO_USD // _MICRO:
        raise LaceError(Reason.PRICE_INVALID, f"The price of {name} is more than a dollar for one token.")
    return int((dollars * _MICRO).to_integral_value())
