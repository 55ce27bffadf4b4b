"""How a search is made, as the settings have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lace_core.settings import SETTINGS
from lace_ingest.domain.retrieval.diversity import Diversity
from lace_ingest.domain.retrieval.fusion import PER_MILLE, Fusion
from lace_ingest.domain.retrieval.query import Mode

# What the provider local ranks by without a model: the words of the documents, as the features here do better.
_NO_MODEL = ("", "lexical-1")


class Rerank(StrEnum):
    """What orders the best candidates once more."""

    FEATURES = "features"
    MODEL = "model"
    OFF = "off"


@dataclass(frozen=True)
class Policy:
    """How a search is made. Weights are in thousandths, `section_boost` is a share, `timeout_s` holds for one model."""

    mode: Mode
    depth: int
    fusion: Fusion
    dense_weight: int
    rank_constant: int
    rerank: Rerank
    rerank_weight: int
    rerank_depth: int
    section_boost: float
    diversity: Diversity
    timeout_s: float
    exact_units: int


def policy_of(settings: Mapping[str, Any]) -> Policy:
    """What the settings say; what they leave out has its default. Raises SETTING_INVALID."""

    def value(key: str) -> Any:
        setting = SETTINGS[key]
        return setting.check(settings[key]) if key in settings else setting.default

    return Policy(
        mode=Mode(value("retrieval.mode")),
        depth=int(value("retrieval.candidates")),
        fusion=Fusion(value("retrieval.fusion")),
        dense_weight=int(value("retrieval.dense_weight")),
        rank_constant=int(value("retrieval.rank_constant")),
        rerank=_rerank(value("retrieval.rerank"), value("llm.rerank_provider"), value("llm.rerank_model")),
        rerank_weight=int(value("retrieval.rerank_weight")),
        rerank_depth=int(value("retrieval.rerank_depth")),
        section_boost=int(value("retrieval.section_boost")) / PER_MILLE,
        diversity=Diversity(int(value("retrieval.duplicate_similarity")), int(value("retrieval.per_source"))),
        timeout_s=int(value("retrieval.model_timeout_ms")) / 1000,
        exact_units=int(value("retrieval.exact_units")),
    )


def _rerank(wanted: str, provider: str, model: str) -> Rerank:
    if wanted != "auto":
        return Rerank(wanted)
    return (
        Rerank.FEATURES if provider == SETTINGS["llm.rerank_provider"].default and model in _NO_MODEL else Rerank.MODEL
    )
