"""Models that embed and rerank: their limits and prices, as dated data that comes with the package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec
from msgspec import Struct

from lace_core.errors import LaceError, Reason

Kind = Literal["embedding", "rerank"]
_MILLION = 1_000_000


class MeasuringModel(Struct, frozen=True, kw_only=True):
    """One model; a limit of 0 is not known. `max_tokens` holds for one text, `max_total_tokens` for one call.

    The price is in millionths of a US dollar for a million tokens. `reducible`: it can give shorter vectors.
    """

    kind: Kind
    provider: str
    model: str
    default: bool = False
    dimensions: int = 0
    reducible: bool = False
    max_tokens: int = 0
    max_items: int = 0
    max_total_tokens: int = 0
    price_micro_usd: int = 0
    price_date: str = ""

    @property
    def is_remote(self) -> bool:
        """Whether texts leave the process to be measured."""
        return self.provider != "local"

    def cost_micro_usd(self, tokens: int) -> int:
        """What so many tokens cost, rounded up; 0 where no price is known."""
        return -(-tokens * self.price_micro_usd // _MILLION)


class _Catalogue(Struct, frozen=True):
    models: tuple[MeasuringModel, ...]


def measuring_model(kind: Kind, provider: str, name: str) -> MeasuringModel:
    """The model of that name, the provider's default where it is empty.

    Of a server of one's own nothing is known before, and nothing is made up: no limits and no price. Raises LaceError
    MODEL_UNKNOWN for models that the provider local does not have, and where there is no default.
    """
    own = [model for model in measuring_models() if (model.kind, model.provider) == (kind, provider)]
    for model in own:
        if model.model == name or (not name and model.default):
            return model
    if provider == "local":
        names = ", ".join(model.model for model in own)
        raise LaceError(Reason.MODEL_UNKNOWN, f"The provider local has no model {name}; it has {names}.")
    if not name:
        raise LaceError(Reason.MODEL_UNKNOWN, f"Name a model: the provider {provider} has no default.")
    return MeasuringModel(kind=kind, provider=provider, model=name)


@cache
def measuring_models() -> tuple[MeasuringModel, ...]:
    """All that are listed."""
    data = (files("lace_llm_gateway.domain") / "measuring_models.json").read_bytes()
    return msgspec.json.decode(data, type=_Catalogue).models
