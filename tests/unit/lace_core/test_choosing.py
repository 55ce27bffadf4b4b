"""The choice of a pipeline: the same situation gives the same choice, with a reason that names what decided."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core.choosing import Situation, choose
from lace_core.pipeline import PIPELINES

WRITTEN = Situation(has_artifact=True, has_text=True, node_has_text=True)


@pytest.mark.parametrize(
    ("situation", "pipeline_id", "named"),
    [
        (Situation(), "generate", "No artifact"),
        (Situation(given=2, ready=2), "generate", "No artifact"),
        (Situation(given=2, ready=1), "generate", "No artifact"),
        (Situation(given=2), "ingest", "2 sources"),
        (Situation(instructions=True), "generate", "No artifact"),
        (Situation(has_artifact=True), "generate", "no text"),
        (Situation(has_artifact=True, instructions=True, new_sources=1), "generate", "no text"),
        (WRITTEN, "regenerate", "all sources"),
        (replace(WRITTEN, new_sources=1), "enrich", "1 source is"),
        (replace(WRITTEN, new_sources=3), "enrich", "3 sources are"),
        (replace(WRITTEN, instructions=True, new_sources=1), "patch", "instructions"),
        (Situation(has_artifact=True, has_text=True, node_title="Cost"), "expand", "Cost"),
        (Situation(has_artifact=True, has_text=True, instructions=True), "patch", "instructions"),
        (Situation(has_artifact=True, has_text=True, new_sources=1), "expand", "no text"),
    ],
)
def test_the_first_that_fits(situation: Situation, pipeline_id: str, named: str) -> None:
    chosen = choose(situation)
    assert chosen.pipeline_id == pipeline_id
    assert named in chosen.reason


@given(
    st.builds(
        Situation,
        has_artifact=st.booleans(),
        has_text=st.booleans(),
        node_has_text=st.booleans(),
        instructions=st.booleans(),
        given=st.integers(0, 3),
        ready=st.integers(0, 3),
        new_sources=st.integers(0, 3),
    )
)
def test_every_situation_has_one_choice(situation: Situation) -> None:
    chosen = choose(situation)
    assert chosen == choose(situation)
    assert chosen.pipeline_id in PIPELINES
    assert chosen.reason.endswith(".")
