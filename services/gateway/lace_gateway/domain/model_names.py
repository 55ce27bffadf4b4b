"""Models as the one name that OpenAI's clients give: `provider/model`, or a model of the default provider."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class ModelName:
    """A model and its provider; an empty provider is the one that the settings name."""

    provider: str
    model: str


def model_name(text: str, providers: Collection[str]) -> ModelName:
    """What the name means where these providers are known.

    Names of models may hold a slash themselves (meta-llama/Llama-3.3-70B): what is before the first one counts only
    where it is a provider. `openai/` is that provider's default model.
    """
    before, slash, after = text.partition("/")
    return ModelName(before, after) if slash and before in providers else ModelName("", text)
