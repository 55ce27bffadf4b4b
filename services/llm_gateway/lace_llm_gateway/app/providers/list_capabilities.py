"""Use case: what the providers can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lace_llm_gateway.app.ports import Provider
from lace_llm_gateway.domain.capabilities import ProviderCapability, capabilities


@dataclass(frozen=True)
class Offered:
    """A provider and whether it can be used as things are."""

    capability: ProviderCapability
    configured: bool


def list_capabilities(providers: Mapping[str, Provider]) -> list[Offered]:
    """The providers by name."""
    return [
        Offered(capability, name in providers and providers[name].configured())
        for name, capability in capabilities().items()
    ]
