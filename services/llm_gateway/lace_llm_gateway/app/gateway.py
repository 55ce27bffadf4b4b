"""What the use cases share: the providers, the ledger, the counter, the clock and the defaults."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lace_core.errors import LaceError, Reason
from lace_core.prices import Price
from lace_llm_gateway.app.calls.ledger import Ledger
from lace_llm_gateway.app.ports import (
    CallObserver,
    Clock,
    Defaults,
    Payloads,
    Prompts,
    Provider,
    StoredSettings,
    TokenCounter,
)
from lace_llm_gateway.app.templates.packaged_prompts import PackagedPrompts
from lace_llm_gateway.domain.capabilities import ModelCapability, ProviderCapability, capability_of, price_of
from lace_llm_gateway.domain.settings import CallSettings, call_settings

if TYPE_CHECKING:
    from lace_llm_gateway.app.budgets.leasing import Budgets
    from lace_llm_gateway.app.calls.admission import Admission
    from lace_llm_gateway.app.calls.routing import Router

_MOST_SETTINGS = 512


class NothingStored:
    """Settings of an installation in which nobody stores any."""

    async def of(self, tenant_id: str, principal_id: str) -> Mapping[str, Any]:
        """See app.ports.StoredSettings.of."""
        return {}


@dataclass(frozen=True)
class Gateway:
    """The outside world as the use cases see it; `chance` gives numbers between 0 and 1."""

    providers: Mapping[str, Provider]
    ledger: Ledger
    router: Router
    admission: Admission
    budgets: Budgets
    counter: TokenCounter
    observer: CallObserver
    payloads: Payloads
    now: Clock
    defaults: Defaults
    new_id: Callable[[str], str]
    chance: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    # From it come the nonces of prompts; one that is made up here holds for this process alone.
    prompt_secret: str = field(default_factory=secrets.token_urlsafe, repr=False)
    prompts: Prompts = field(default_factory=PackagedPrompts)
    stored: StoredSettings = field(default_factory=NothingStored)
    _settings: dict[str, CallSettings] = field(default_factory=dict, repr=False)

    def settings(self, given: Mapping[str, Any]) -> CallSettings:
        """The settings of a call: those that it carries, over the defaults. Raises LaceError SETTING_INVALID.

        Calls of one run carry the same ones; what they come to is worked out once.
        """
        named = repr(sorted(given.items()))
        known = self._settings.get(named)
        if known is None:
            known = call_settings({**self.defaults(), **given})
            if len(self._settings) >= _MOST_SETTINGS:
                self._settings.clear()
            self._settings[named] = known
        return known

    async def values_for(
        self, tenant_id: str, principal_id: str, run_id: str, given: Mapping[str, Any] | None
    ) -> Mapping[str, Any]:
        """What a call goes by: what it carries, over what is stored for its principal.

        The call of a run carries all that the run pinned, and nothing else holds for it. Raises LaceError
        SERVICE_UNAVAILABLE.
        """
        carried: Mapping[str, Any] = {} if given is None else given
        if run_id and carried:
            return carried
        stored = await self.stored.of(tenant_id, principal_id)
        return {**stored, **carried} if stored else carried

    def choose(self, provider: str, model: str, prices: Sequence[Price] = ()) -> Choice:
        """The provider and the model to call, at a price of these where it has one; an empty model is the default.

        Raises LaceError PROVIDER_UNKNOWN, MODEL_UNKNOWN.
        """
        capability = capability_of(provider)
        adapter = self.providers.get(provider)
        if adapter is None:
            raise LaceError(Reason.PROVIDER_UNKNOWN, f"The provider {provider} is not installed.")
        name = model or adapter.default_model or capability.default_model
        known = capability.model(name)
        price = price_of(prices, provider, name) if prices else None
        return Choice(adapter, capability, known.priced(price) if price else known)


@dataclass(frozen=True)
class Choice:
    """A provider, what it can do, and the model that is asked for."""

    provider: Provider
    capability: ProviderCapability
    model: ModelCapability
