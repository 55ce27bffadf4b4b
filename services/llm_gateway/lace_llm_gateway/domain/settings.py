"""The settings in force for one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lace_core.redaction import Level
from lace_core.settings import SETTINGS


@dataclass(frozen=True)
class CallSettings:
    """What a call depends on; `model` is empty for the provider's default, times are in seconds."""

    provider: str
    model: str
    temperature_milli: int
    max_output_tokens: int
    context_tokens: int
    timeout_s: float
    retries: int
    repair_attempts: int
    redaction: Level


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
    )
