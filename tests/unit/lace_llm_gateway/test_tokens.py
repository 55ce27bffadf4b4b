"""Counts are exact where the table is at hand, and bounds are never too low, whatever the text is."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_llm_gateway.adapters.token_counter import BpeTokenCounter
from lace_llm_gateway.domain.calibration import Calibration
from lace_llm_gateway.domain.calls import CountMethod
from lace_llm_gateway.domain.capabilities import ModelCapability, capabilities
from lace_llm_gateway.domain.exchange import Message
from lace_llm_gateway.domain.tokens import Family, byte_bound, charge, family_of
from tests.doubles.hostile_texts import KINDS, harsh_tokens, openai_tokens

BOUND = ModelCapability(
    model="claude-haiku-4-5",
    context_tokens=200_000,
    max_output_tokens=64_000,
    native_schema=True,
    deterministic=False,
    count_method=CountMethod.BOUND,
)
EXACT = msgspec.structs.replace(BOUND, model="gpt-4o", count_method=CountMethod.TOKENIZER)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("gpt-4o-mini", Family.O200K),
        ("gpt-4.1-2025-04-14", Family.O200K),
        ("ft:gpt-4o:acme::1", Family.O200K),
        ("gpt-4-turbo", Family.CL100K),
        ("gpt-3.5-turbo-0125", Family.CL100K),
        ("claude-opus-5", Family.CLAUDE),
        ("anthropic/claude-haiku-4-5", Family.CLAUDE),
        ("gemini-3.8-flash", Family.GEMINI),
        ("gpt-9", Family.OTHER),
        ("gpt-4omni", Family.OTHER),
        ("llama3:8b", Family.OTHER),
        ("mistral-large", Family.OTHER),
    ],
)
def test_models_have_the_family_of_their_name(name: str, family: Family) -> None:
    assert family_of(name) is family


def test_a_model_counts_exactly_only_where_the_matrix_says_that_its_tokenizer_is_at_hand() -> None:
    counter, messages = BpeTokenCounter(), [Message("user", "The old trunk main is 11.8 kilometres long.")]
    for provider in capabilities().values():
        for model in provider.models:
            counted = counter.count(model, messages)
            assert counted.method is model.count_method
            if counted.method is CountMethod.TOKENIZER:
                assert counted.tokens == 3 + 4 + openai_tokens(model.model, messages[0].content)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("length", [1, 2, 17, 600, 3000])
def test_no_tokenizer_finds_more_than_the_bound(kind: str, length: int) -> None:
    text = KINDS[kind](length)
    found = BpeTokenCounter().count(BOUND, [Message("user", text)]).tokens
    others = {
        "o200k": openai_tokens("gpt-4o", text),
        "cl100k": openai_tokens("gpt-4", text),
        "harsh": harsh_tokens("", text),
    }
    assert found >= max(others.values()), others
    assert found <= BpeTokenCounter().bound(BOUND, [Message("user", text)]).tokens


@given(st.text(max_size=200))
def test_no_text_at_all_has_more_tokens_than_the_bound(text: str) -> None:
    counter = BpeTokenCounter()
    bound, most = counter.count_text(BOUND, text).tokens, byte_bound(text)
    assert openai_tokens("gpt-4o", text) <= bound
    assert openai_tokens("gpt-4", text) <= bound
    assert openai_tokens("gpt-4o", text) <= most
    assert harsh_tokens("", text) <= bound + 1  # it begins with a token of its own, as SentencePiece does


def test_a_bound_is_not_useless_for_ordinary_text() -> None:
    text = KINDS["english"](20_000)
    assert BpeTokenCounter().count_text(BOUND, text).tokens < 2 * openai_tokens("gpt-4o", text)


def test_half_a_character_pair_is_counted_by_its_bytes() -> None:
    assert BpeTokenCounter().count_text(BOUND, "\ud83d").tokens == 3
    assert BpeTokenCounter().count_text(EXACT, "\ud83d").tokens == 3


def test_a_schema_is_counted_and_makes_a_bound_of_it() -> None:
    counter, messages = BpeTokenCounter(), [Message("user", "x")]
    schema: dict[str, Any] = {"type": "object", "properties": {"answer": {"type": "string"}}}
    for model in (EXACT, BOUND):
        plain, with_schema = counter.count(model, messages), counter.count(model, messages, schema)
        assert with_schema.tokens > plain.tokens + 10
        assert with_schema.method is CountMethod.BOUND


@pytest.mark.parametrize("token", [None, "\ufffd", "e\ufffd"])
def test_a_piece_of_a_character_is_charged_a_token_beside_its_bytes(token: str | None) -> None:
    assert charge(token) == 6


def test_short_prompts_cost_microseconds() -> None:
    counter, messages = BpeTokenCounter(), [Message("user", KINDS["english"](2000))]
    took = []
    for _ in range(50):
        began = time.perf_counter()
        counter.bound(BOUND, messages)
        took.append(time.perf_counter() - began)
    assert min(took) < 100e-6


class TestCalibration:
    """Reports of providers raise counts, and can do nothing else."""

    def test_a_report_above_the_count_raises_later_ones_by_its_ratio_and_a_little(self) -> None:
        counter, messages = BpeTokenCounter(), [Message("user", KINDS["english"](4000))]
        counted = counter.count(EXACT, messages).tokens
        counter.observe(EXACT, messages, None, counted * 2)
        raised = counter.count(EXACT, messages)
        assert counted * 2 < raised.tokens <= counted * 2.1
        assert raised.method is CountMethod.BOUND
        assert counter.count(BOUND, messages).tokens < raised.tokens * 2  # other models have their own

    def test_lower_reports_never_lower_a_count(self) -> None:
        counter, messages = BpeTokenCounter(), [Message("user", KINDS["english"](4000))]
        counted = counter.count(BOUND, messages)
        for _ in range(500):
            counter.observe(BOUND, messages, None, counted.tokens // 2)
        assert counter.count(BOUND, messages) == counted

    def test_a_report_that_no_text_can_have_is_not_believed(self) -> None:
        calibration = Calibration()
        calibration.observe("m", 100, 10**9, most=450)
        calibration.observe("m", 0, 10, most=450)
        assert calibration.factor("m") == 1
        calibration.observe("m", 100, 450, most=450)
        assert calibration.raised("m", 100) == 459
