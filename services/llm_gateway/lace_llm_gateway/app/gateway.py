"""What the use cases share: the providers, the ledger, the counter, the clock and the defaults."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.ports import CallObserver, Clock, Defaults, Payloads, Provider, TokenCounter, Units
from lace_llm_gateway.domain.capabilities import ModelCapability, ProviderCapability, capability_of
from lace_llm_gateway.domain.settings import CallSettings, call_settings


@dataclass(frozen=True)
class Gateway:
    """The outside world as the use cases see it; `chance` gives numbers between 0 and 1."""

    providers: Mapping[str, Provider]
    units: Units
    counter: TokenCounter
    observer: CallObserver
    payloads: Payloads
    now: Clock
    defaults: Defaults
    new_id: Callable[[str], str]
    chance: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]

    def settings(self, given: Mapping[str, Any]) -> CallSettings:
        """The settings of a call: those that it carries, over the defaults."""
        return call_settings({**self.defaults(), **given})

    def choose(self, provider: str, model: str) -> Choice:
        """The provider and the model to call; an empty model is the default.

        Raises LaceError PROVIDER_UNKNOWN, MODEL_UNKNOWN.
        """
        capability = capability_of(provider)
        adapter = self.providers.get(provider)
        if adapter is None:
            raise LaceError(Reason.PROVIDER_UNKNOWN, f"The provider {provider} is not installed.")
        name = model or adapter.default_model or capability.default_model
        return Choice(adapter, capability, capability.model(name))


@dataclass(frozen=True)
class Choice:
    """A provider, what it can do, and the model that is asked for."""

    provider: Provider
    capability: ProviderCapability
    model: ModelCapability
