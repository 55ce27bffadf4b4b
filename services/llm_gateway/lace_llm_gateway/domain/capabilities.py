"""What providers and models can do, and what they cost, as dated data that comes with the package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.domain.calls import CountMethod

_MILLION = 1_000_000
# A model that is not listed (vLLM, Ollama, llama.cpp and others speak the same protocol): nothing is promised of it
# but what the protocol itself needs, and no price is made up.
_UNLISTED_CONTEXT, _UNLISTED_OUTPUT = 1_000_000, 65_536


class ModelCapability(Struct, frozen=True, kw_only=True):
    """One model. Prices are in millionths of a US dollar for a million tokens; `price_date` is empty without one."""

    model: str
    context_tokens: int
    max_output_tokens: int
    native_schema: bool
    deterministic: bool
    count_method: CountMethod
    input_price_micro_usd: int = 0
    output_price_micro_usd: int = 0
    price_date: str = ""


class ProviderCapability(Struct, frozen=True, kw_only=True):
    """One provider with its models, the default first named by `default_model`."""

    provider: str
    offline: bool
    default_model: str
    models: tuple[ModelCapability, ...]

    def model(self, name: str) -> ModelCapability:
        """The model of that name or of the listed name that it is a dated version of (gpt-4o-2024-08-06).

        An offline provider knows all its models and raises LaceError MODEL_UNKNOWN for others.
        """
        for known in self.models:
            if known.model == name:
                return known
        for known in sorted(self.models, key=lambda m: -len(m.model)):
            if name.startswith(f"{known.model}-") and name[len(known.model) + 1 : len(known.model) + 2].isdigit():
                return msgspec.structs.replace(known, model=name)
        if self.offline:
            raise LaceError(Reason.MODEL_UNKNOWN, f"The provider {self.provider} has no model {name}.")
        return ModelCapability(
            model=name,
            context_tokens=_UNLISTED_CONTEXT,
            max_output_tokens=_UNLISTED_OUTPUT,
            native_schema=True,
            deterministic=False,
            count_method=CountMethod.BOUND,
        )


class _Matrix(Struct, frozen=True):
    providers: tuple[ProviderCapability, ...]


@cache
def capabilities() -> dict[str, ProviderCapability]:
    """The providers by name."""
    data = (files("lace_llm_gateway.domain") / "capabilities.json").read_bytes()
    found = msgspec.json.decode(data, type=_Matrix).providers
    return {provider.provider: provider for provider in sorted(found, key=lambda p: p.provider)}


def capability_of(provider: str) -> ProviderCapability:
    """The provider of that name; raises LaceError PROVIDER_UNKNOWN."""
    known = capabilities()
    if provider not in known:
        raise LaceError(Reason.PROVIDER_UNKNOWN, f"No provider {provider}; there are {', '.join(known)}.")
    return known[provider]


def cost_micro_usd(model: ModelCapability, input_tokens: int, output_tokens: int) -> int:
    """What a call costs in millionths of a US dollar, rounded up; 0 where no price is known."""
    spent = input_tokens * model.input_price_micro_usd + output_tokens * model.output_price_micro_usd
    return -(-spent // _MILLION)
