"""The capability matrix: what may stand in it, which price holds when, and what a call costs."""

from __future__ import annotations

from datetime import UTC, date, datetime
from importlib.resources import files
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.domain.capabilities import (
    capabilities,
    capability_of,
    cost_micro_usd,
    finish_reason_of,
    matrix_of,
)
from lace_llm_gateway.domain.exchange import FinishReason

MODEL: dict[str, Any] = {
    "model": "m",
    "context_tokens": 1000,
    "max_output_tokens": 100,
    "native_schema": True,
    "deterministic": False,
    "count_method": "bound",
    "input_price_micro_usd": 2_000_000,
    "cached_input_price_micro_usd": 500_000,
    "output_price_micro_usd": 8_000_000,
    "price_date": "2026-01-01",
}
LONG = {
    "above_tokens": 500,
    "input_price_micro_usd": 4_000_000,
    "cached_input_price_micro_usd": 1_000_000,
    "output_price_micro_usd": 12_000_000,
}
LATER = {
    "since": "2027-01-01",
    "input_price_micro_usd": 9_000_000,
    "cached_input_price_micro_usd": 900_000,
    "output_price_micro_usd": 9_000_000,
}


def matrix(**more: Any) -> bytes:
    provider = {"provider": "p", "offline": False, "default_model": "m", "models": [{**MODEL, **more}]}
    return orjson.dumps({"providers": [provider]})


def reason_of(data: bytes) -> Reason:
    with pytest.raises(LaceError) as failure:
        matrix_of(data)
    return failure.value.reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"input_price_micro_usd": -1},
        {"output_price_micro_usd": -1},
        {"cached_input_price_micro_usd": -1},
        {"output_price_micro_usd": 8_000_000_000_000_000},
        {"cached_input_price_micro_usd": 3_000_000},
        {"price_date": ""},
        {"price_date": "yesterday"},
        {"price_date": "2026-02-30"},
        {"input_price_micro_usd": 0, "cached_input_price_micro_usd": 0, "output_price_micro_usd": 0},
        {"long_prompt": {**LONG, "output_price_micro_usd": -5}},
        {"later_prices": [{**LATER, "since": "soon"}]},
        {"later_prices": [{**LATER, "since": "2026-01-01"}]},
        {"later_prices": [{**LATER, "input_price_micro_usd": -1}]},
    ],
)
def test_absurd_prices_are_refused(wrong: dict[str, Any]) -> None:
    assert reason_of(matrix(**wrong)) is Reason.PRICE_INVALID


@pytest.mark.parametrize(
    "wrong",
    [
        {"context_tokens": 50},
        {"max_output_tokens": 0},
        {"max_input_tokens": -1},
        {"model": "another"},
        {"count_method": "guess"},
    ],
)
def test_limits_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    assert reason_of(matrix(**wrong)) is Reason.CAPABILITIES_INVALID


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"providers":7}', b'{"providers":[],"more":1}'])
def test_what_is_no_matrix_is_refused(data: bytes) -> None:
    assert reason_of(data) is Reason.CAPABILITIES_INVALID


def test_a_word_that_nobody_knows_is_never_a_good_end() -> None:
    assert finish_reason_of("openai", "stop") is FinishReason.STOP
    for provider in capabilities():
        assert finish_reason_of(provider, "daydreaming") is FinishReason.UNKNOWN
        assert finish_reason_of(provider, "") is FinishReason.UNKNOWN


def test_long_prompts_and_cached_ones_have_their_own_price() -> None:
    model = matrix_of(matrix(long_prompt=LONG))["p"].model("m")
    assert cost_micro_usd(model, 500, 10) == 500 * 2 + 10 * 8
    assert cost_micro_usd(model, 501, 10) == 501 * 4 + 10 * 12
    assert cost_micro_usd(model, 500, 10, 100) == 400 * 2 + 50 + 10 * 8
    assert cost_micro_usd(model, 600, 0, 600) == 600


def test_announced_prices_hold_from_their_day() -> None:
    provider = matrix_of(matrix(later_prices=[LATER]))["p"]
    before, after = provider.model("m", date(2026, 12, 31)), provider.model("m", date(2027, 1, 1))
    assert (before.input_price_micro_usd, before.price_date) == (2_000_000, "2026-01-01")
    assert (after.input_price_micro_usd, after.price_date) == (9_000_000, "2027-01-01")


@given(st.integers(0, 2_000_000), st.integers(0, 200_000), st.integers(0, 2_000_000))
def test_what_was_cached_never_costs_more(tokens_in: int, tokens_out: int, cached: int) -> None:
    for provider in capabilities().values():
        for model in provider.models:
            whole = cost_micro_usd(model, tokens_in, tokens_out)
            assert 0 <= cost_micro_usd(model, tokens_in, tokens_out, cached) <= whole


def test_the_input_limit_leaves_room_for_the_answer() -> None:
    model = capability_of("openai").model("gpt-6.2-sol")
    assert model.input_limit(1000) == 922_000
    assert model.input_limit(128_000) == 922_000
    assert capability_of("openai").model("gpt-4o").input_limit(4000) == 124_000


def test_every_model_that_is_sold_says_where_its_price_was_read() -> None:
    for provider in capabilities().values():
        for model in provider.models:
            assert bool(model.price_date) == bool(model.source) == (not provider.offline)


def test_no_packaged_price_holds_only_from_a_later_day() -> None:
    data = (files("lace_llm_gateway.domain") / "capabilities.json").read_bytes()
    assert matrix_of(data, datetime.now(UTC).date()) == capabilities()
    with pytest.raises(LaceError) as failure:
        matrix_of(matrix(), date(2025, 12, 31))
    assert failure.value.reason is Reason.PRICE_INVALID
    assert matrix_of(matrix(), date(2026, 1, 1))
