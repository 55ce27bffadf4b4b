"""Values of runs on the wire and back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace.common.v1 import event_pb2, ir_pb2
from lace.runs.v1 import runs_pb2
from lace_core import actions
from lace_core import ir as model
from lace_platform.clock import utc_now
from lace_proto import json as wire_json
from lace_runs.api import convert_events, convert_ir, convert_runs
from lace_runs.domain.events import Event, EventDraft
from lace_runs.domain.runs import RunState
from lace_runs.domain.steps import OUTPUTS

text = st.text(st.characters(codec="utf-8"), max_size=20)
ids = st.lists(st.sampled_from(["evd_a", "evd_b"]), unique=True).map(tuple)
sentences = st.lists(st.builds(model.Sentence, sentence_id=text, text=text, evidence_ids=ids), max_size=3).map(tuple)
blocks = st.one_of(
    st.builds(model.Paragraph, block_id=text, sentences=sentences),
    st.builds(model.Quote, block_id=text, sentences=sentences),
    st.builds(model.Callout, block_id=text, tone=st.just("note"), sentences=sentences),
    st.builds(
        model.ListBlock, block_id=text, ordered=st.booleans(),
        items=st.lists(st.builds(model.ListItem, item_id=text, text=text, evidence_ids=ids), max_size=2).map(tuple),
    ),
    st.builds(
        model.Table, block_id=text, caption=text, header=st.just(("a", "b")), evidence_ids=ids,
        rows=st.lists(
            st.builds(model.Row, row_id=text, cells=st.tuples(text, text), evidence_ids=ids), max_size=2
        ).map(tuple),
    ),
    st.builds(model.Code, block_id=text, text=text, language=text, evidence_ids=ids),
    st.builds(model.Figure, block_id=text, uri=text, alt=text, caption=text, evidence_ids=ids),
    st.builds(model.Equation, block_id=text, tex=text, evidence_ids=ids),
    st.builds(model.Opaque, block_id=text, raw=text),
)  # fmt: skip
constraints = st.builds(
    model.Constraints,
    must_cite=st.none() | st.booleans(),
    max_words=st.none() | st.integers(1, 9999),
    tone=st.none() | text,
    forbidden_phrases=st.none() | st.lists(text, min_size=1, max_size=2).map(tuple),
    glossary=st.none()
    | st.lists(
        st.builds(model.GlossaryTerm, term=text, definition=text, avoid=st.lists(text, max_size=2).map(tuple)),
        min_size=1,
        max_size=2,
    ).map(tuple),
)


@given(blocks)
def test_a_block_comes_back_as_it_went(block: Any) -> None:
    wire = wire_json.from_python(ir_pb2.Block, convert_ir._block_form(convert_ir._form(block)))
    action = ir_pb2.Action(idempotency_key="k", insert_block=ir_pb2.InsertBlock(node_id="n", block=wire))
    back = _action_of(action, "")
    assert isinstance(back, actions.InsertBlock)
    assert back.block == block


@given(constraints)
def test_constraints_come_back_as_they_went(value: model.Constraints) -> None:
    action = ir_pb2.Action(
        set_constraints=ir_pb2.SetConstraints(node_id="n", constraints=convert_ir.constraints_message(value))
    )
    back = _action_of(action, "key")
    assert isinstance(back, actions.SetConstraints)
    assert back.constraints == value


def _action_of(message: ir_pb2.Action, default_key: str) -> actions.Action:
    action: actions.Action = msgspec.convert(convert_ir.action_form(message, default_key), actions.Action)
    return action


def _glossary_of(**wire: Any) -> tuple[model.GlossaryTerm, ...] | None:
    asked = ir_pb2.SetConstraints(node_id="n", constraints=ir_pb2.Constraints(**wire))
    action = _action_of(ir_pb2.Action(set_constraints=asked), "key")
    assert isinstance(action, actions.SetConstraints)
    return action.constraints.glossary


def test_a_glossary_of_the_first_schema_is_still_understood_and_still_shown() -> None:
    pump = ir_pb2.GlossaryTerm(term="pump", definition="moves water", avoid=["engine"])
    assert _glossary_of(glossary=["pump"]) == (model.GlossaryTerm(term="pump"),)
    assert _glossary_of(glossary=["pump"], glossary_terms=[pump]) == (
        model.GlossaryTerm(term="pump", definition="moves water", avoid=("engine",)),
    )
    shown = convert_ir.constraints_message(model.Constraints(glossary=(model.GlossaryTerm(term="pump"),)))
    assert list(shown.glossary) == ["pump"]
    with pytest.raises(ValueError, match="give glossary_terms alone"):
        _glossary_of(glossary=["valve"], glossary_terms=[pump])


@pytest.mark.parametrize("state", list(RunState))
def test_every_state_has_its_wire_name(state: RunState) -> None:
    assert convert_runs.state_of(convert_runs.run_state(state)) == state.value
    assert runs_pb2.RunState.Name(convert_runs.run_state(state)) == f"RUN_STATE_{state.name}"


@pytest.mark.parametrize("kind", [field.name for field in event_pb2.EventPayload.DESCRIPTOR.fields])
def test_every_payload_kind_is_served(kind: str) -> None:
    draft = EventDraft("pipeline.test", {kind: {}}, utc_now())
    event = Event("evt_x_1", 1, "ten_x", "run_x", "generate", draft, 12.5, "req", "cor", "key", "")
    message = convert_events.event_message(event)
    assert message.payload.WhichOneof("kind") == kind
    assert wire_json.to_python(message)["progress_pct"] == 12.5


@pytest.mark.parametrize(
    "bad", [ir_pb2.Action(), ir_pb2.Action(insert_block=ir_pb2.InsertBlock(node_id="n", block=ir_pb2.Block()))]
)
def test_an_action_of_no_kind_is_refused(bad: ir_pb2.Action) -> None:
    with pytest.raises(ValueError):
        _action_of(bad, "k")


def test_every_step_of_every_pipeline_has_a_result_type() -> None:
    from lace_core.pipeline import PIPELINES

    given_types = {step.gives for pipeline in PIPELINES.values() for step in pipeline.steps}
    assert given_types <= set(OUTPUTS)
