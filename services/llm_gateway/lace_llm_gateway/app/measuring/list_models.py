"""Use case: which models embed and rerank."""

from __future__ import annotations

from dataclasses import dataclass

from lace_llm_gateway.app.measuring.measure import Measures
from lace_llm_gateway.app.measuring.ports import Measurer
from lace_llm_gateway.domain.measuring_models import Kind, MeasuringModel, measuring_model, measuring_models


@dataclass(frozen=True)
class OfferedMeasuring:
    """A model and whether it can be used as things are."""

    model: MeasuringModel
    configured: bool


def list_measuring(measures: Measures) -> list[OfferedMeasuring]:
    """Those that are listed, and the one that a server of one's own is set up with."""
    kinds: tuple[tuple[Kind, dict[str, Measurer]], ...] = (
        ("embedding", {**measures.embedders}),
        ("rerank", {**measures.rerankers}),
    )
    found: list[OfferedMeasuring] = []
    for kind, measurers in kinds:
        for name, measurer in sorted(measurers.items()):
            listed = [model for model in measuring_models() if (model.kind, model.provider) == (kind, name)]
            if measurer.default_model and not listed:
                listed = [measuring_model(kind, name, measurer.default_model)]
            found += [OfferedMeasuring(model, measurer.configured(model.model)) for model in listed]
    return found
