"""Prices as settings write them: what they mean, and what no price can be."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core.errors import LaceError, Reason
from lace_core.model_names import model_name
from lace_core.prices import Price, parse_price
from lace_core.settings import SETTINGS, check_values


def test_a_price_is_in_dollars_for_a_million_tokens() -> None:
    day = "2025-01-31"
    assert parse_price("openai/gpt-4o=2.50:10@2025-01-31") == Price("openai", "gpt-4o", 2_500_000, 10_000_000, day)
    assert parse_price(" openai/org/m:8b = 0:0.000001@2025-01-31 ") == Price("openai", "org/m:8b", 0, 1, day)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no price"), ("gpt-4o=1:2", "is no price"), ("openai=1:2@2025-01-01", "names no model"),
        ("OpenAI/gpt=1:2@2025-01-01", "of no model"), ("openai/g=-1:2@2025-01-01", "negative"),
        ("openai/g=1:-0.0000001@2025-01-01", "negative"), ("openai/g=1000001:2@2025-01-01", "more than a dollar"),
        ("openai/g=1e999999:2@2025-01-01", "more than a dollar"), ("openai/g=nan:2@2025-01-01", "no number"),
        ("openai/g=Infinity:2@2025-01-01", "no number"), ("openai/g=1:x@2025-01-01", "no number"),
        ("openai/g=1:2@2025-02-30", "no day"), ("openai/g=1:2@2100-02-29", "no day"),
        ("openai/g=1:2@2025-13-01", "no day"), ("openai/g=1:2@0000-01-01", "no day"),
    ],
)  # fmt: skip
def test_what_is_no_price_is_refused_with_its_code(text: str, said: str) -> None:
    with pytest.raises(LaceError, match=said) as refused:
        parse_price(text)
    assert refused.value.reason is Reason.PRICE_INVALID
    assert not refused.value.retryable


def test_a_price_may_be_of_today_and_not_of_tomorrow() -> None:
    price = parse_price("openai/m=1:1@2026-11-21")
    price.refuse_before("2026-11-21")
    with pytest.raises(LaceError, match="yet to come") as refused:
        price.refuse_before("2026-11-20")
    assert refused.value.reason is Reason.PRICE_INVALID


@given(st.dates())
def test_every_day_is_one(day: date) -> None:
    assert parse_price(f"openai/m=1:1@{day.isoformat()}").day == day.isoformat()


@given(st.text(max_size=80))
def test_whatever_is_written_is_a_price_or_refused(text: str) -> None:
    try:
        price = parse_price(text)
    except LaceError as error:
        if error.reason is not Reason.PRICE_INVALID:
            raise
    else:
        assert price.input_micro_usd >= 0


@pytest.mark.parametrize(
    ("key", "wrong", "reason"),
    [
        ("llm.prices", ["openai/g=-1:2@2025-01-01"], Reason.PRICE_INVALID),
        ("llm.prices", "openai/g=1:2@2025-01-01", Reason.SETTING_INVALID),
        ("llm.fallbacks", ["openai/gpt-4o", "no model"], Reason.SETTING_INVALID),
    ],
)
def test_a_setting_is_refused_when_it_is_written_and_says_which(key: str, wrong: Any, reason: Reason) -> None:
    with pytest.raises(LaceError) as refused:
        check_values({key: wrong}, "tenant")
    assert refused.value.reason is reason
    assert refused.value.details[0].field == key


def test_models_are_named_with_their_provider() -> None:
    assert model_name("openai/org/model") == ("openai", "org/model")
    assert model_name("anthropic") == ("anthropic", "")
    assert SETTINGS["llm.fallbacks"].parse("openai/gpt-4o, gemini") == ["openai/gpt-4o", "gemini"]
