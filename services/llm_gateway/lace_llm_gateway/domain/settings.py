"""The settings in force for one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lace_core.model_names import model_name
from lace_core.prices import Price, parse_price
from lace_core.redaction import Level
from lace_core.settings import SETTINGS
from lace_llm_gateway.domain.routing import RoutingPolicy


@dataclass(frozen=True)
class CallSettings:
    """What a call depends on; `model` is empty for the provider's default, times are in seconds.

    `redaction` is how much events and samples show, `redacts` before which calls what is kept from providers.
    """

    provider: str
    model: str
    temperature_milli: int
    max_output_tokens: int
    context_tokens: int
    timeout_s: float
    retries: int
    repair_attempts: int
    redaction: Level
    redacts: Literal["off", "remote", "all"] = "remote"
    redaction_kinds: tuple[str, ...] = ()
    redaction_patterns: tuple[str, ...] = ()
    routing: RoutingPolicy = field(default_factory=RoutingPolicy)
    prices: tuple[Price, ...] = ()


def call_settings(values: Mapping[str, Any]) -> CallSettings:
    """The typed settings out of resolved values by key; raises LaceError SETTING_INVALID."""

    def value(name: str, group: str = "llm") -> Any:
        key = f"{group}.{name}"
        return SETTINGS[key].check(values.get(key, SETTINGS[key].default))

    return CallSettings(
        provider=value("provider"),
        model=value("model"),
        temperature_milli=value("temperature_milli"),
        max_output_tokens=value("max_output_tokens"),
        context_tokens=value("context_tokens"),
        timeout_s=float(value("timeout_s")),
        retries=value("retries"),
        repair_attempts=value("repair_attempts"),
        redaction=value("redaction", "events"),
        redacts=value("redaction"),
        redaction_kinds=tuple(value("redaction_kinds")),
        redaction_patterns=tuple(value("redaction_patterns")),
        routing=RoutingPolicy(
            retries=value("retries"),
            fallbacks=tuple(model_name(name) for name in value("fallbacks")),
            hedge=value("hedge"),
            hedge_after_ms=value("hedge_after_ms"),
        ),
        prices=tuple(parse_price(text) for text in value("prices")),
    )
