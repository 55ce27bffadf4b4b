"""Lists of models as providers give them, and which of them an alias stands for."""

from __future__ import annotations

import msgspec
from msgspec import Struct


class _Named(Struct):
    id: str


class _List(Struct):
    data: list[_Named]


class _GeminiNamed(Struct):
    name: str


class _GeminiList(Struct):
    models: list[_GeminiNamed]


def model_names(body: bytes) -> tuple[str, ...]:
    """The names in a list of OpenAI or Anthropic, sorted. Raises ValueError for what is no such list."""
    return tuple(sorted({model.id for model in msgspec.json.decode(body, type=_List).data}))


def gemini_names(body: bytes) -> tuple[str, ...]:
    """The names in a list of Gemini, sorted. Raises ValueError for what is no such list."""
    found = msgspec.json.decode(body, type=_GeminiList).models
    return tuple(sorted({model.name.removeprefix("models/") for model in found}))


def current_version(alias: str, names: tuple[str, ...]) -> str:
    """The newest dated or numbered version of the alias among the names; the alias where none is told."""
    start = f"{alias}-"
    numbered = [name for name in names if name.startswith(start) and name[len(start) :].replace("-", "").isdigit()]
    return max(numbered, default=alias)
