"""Prices of one's own: which of them a model has, and what a call costs by them."""

from __future__ import annotations

from lace_core.prices import parse_price
from lace_llm_gateway.domain.capabilities import capability_of, cost_micro_usd, price_of
from lace_llm_gateway.domain.settings import call_settings

OLD, NEW, VERSION, OTHER = (
    parse_price(text)
    for text in (
        "openai/gpt-4o=1:1@2025-01-01",
        "openai/gpt-4o=2:4@2025-06-01",
        "openai/gpt-4o-2024-08-06=9:9@2024-01-01",
        "anthropic/gpt-4o=5:5@2025-06-01",
    )
)


def test_the_newest_price_of_the_model_itself_comes_first() -> None:
    prices = (OLD, NEW, VERSION, OTHER)
    assert price_of(prices, "openai", "gpt-4o") == NEW
    assert price_of(prices, "openai", "gpt-4o-2024-08-06") == VERSION
    assert price_of(prices, "openai", "gpt-4o-2024-05-13") == NEW  # a dated version costs what its alias does
    assert price_of(prices, "openai", "gpt-4o-mini") is None
    assert price_of(prices, "gemini", "gpt-4o") is None


def test_a_call_costs_what_was_set_whatever_its_length() -> None:
    model = capability_of("openai").model("gpt-4o").priced(NEW)
    assert (model.price_date, model.long_prompt, model.later_prices) == ("2025-06-01", None, ())
    assert cost_micro_usd(model, 1_000_000, 500_000) == 2_000_000 + 2_000_000
    assert cost_micro_usd(model, 1_000_000, 0, cached_input_tokens=1_000_000) == 2_000_000


def test_prices_and_fallbacks_come_from_the_settings() -> None:
    settings = call_settings(
        {
            "llm.prices": ["openai/gpt-4o=2:4@2025-06-01"],
            "llm.fallbacks": ["anthropic", "openai/org/model"],
            "llm.hedge": True,
            "llm.hedge_after_ms": 250,
            "llm.retries": 5,
        }
    )
    assert settings.prices == (NEW,)
    assert settings.routing.fallbacks == (("anthropic", ""), ("openai", "org/model"))
    assert (settings.routing.hedge, settings.routing.hedge_after_ms, settings.routing.retries) == (True, 250, 5)
