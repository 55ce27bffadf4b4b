"""C1 to C4: contracts that were written twice, not held to, or read in two ways."""

from __future__ import annotations

import inspect
from typing import Any, get_args

import msgspec
import pytest

from lace_core import actions as act
from lace_core import apply as applying
from lace_core import ir
from lace_core.errors import LaceError, Reason
from lace_core.pipeline import KINDS
from lace_llm_gateway.domain import answers
from lace_runs.domain import steps
from tests.audit.mutation import regression, replaced
from tests.doubles.contract_inputs import INPUTS


def _tags(schema: dict[str, Any]) -> set[str]:
    defined = schema["$defs"].values()
    return {tag for one in defined for tag in one.get("properties", {}).get("action", {}).get("enum", ())}


@regression(
    replaced(applying, "_HANDLERS", lambda known: {kind: known[kind] for kind in known if kind is not act.SetSummary}),
    replaced(act, "Action", lambda _: act.InsertNode | act.RemoveNode),
)
def test_c1_the_set_of_actions_is_defined_once() -> None:
    """Duplicated action constants across validators/apply logic: what is exported, decoded and applied is one set."""
    kinds = set(get_args(act.Action))
    assert set(applying._HANDLERS) == kinds
    own = {one for _, one in inspect.getmembers(act, inspect.isclass) if issubclass(one, act._Action)} - {act._Action}
    assert own == kinds
    assert _tags(act.proposal_schema()) == {kind.__struct_config__.tag for kind in kinds}


@regression(replaced(answers, "_violations", lambda _: lambda validator, value: []))
def test_c2_a_context_that_breaks_its_schema_reaches_no_model() -> None:
    """Context bundle schema exists but is not enforced."""
    whole = msgspec.json.encode(INPUTS["lace.write.v1"]).decode()
    answers.check_input("lace.write.v1", whole)
    for broken in (whole.replace('"facts":', '"facets":', 1), whole.replace('"must_cite":true', '"must_cite":"yes"')):
        assert broken != whole
        with pytest.raises(LaceError) as refused:
            answers.check_input("lace.write.v1", broken)
        assert refused.value.reason is Reason.INVALID_ARGUMENT


@regression(
    replaced(steps, "OUTPUTS", lambda known: {name: kind for name, kind in known.items() if name != "Verified"}),
)
def test_c3_every_step_gives_a_type_that_is_known() -> None:
    """Runtime schema map missing new step output types."""
    assert {step.gives for step in KINDS.values()} <= set(steps.OUTPUTS)
    own = {one for _, one in inspect.getmembers(steps, inspect.isclass) if issubclass(one, steps._Output)}
    held = {*steps.OUTPUTS.values(), steps._Output}
    parts = {one for one in own if any(one.__name__ in str(other.__annotations__.values()) for other in held)}
    assert own - held - parts == set()


class _Lenient(msgspec.Struct, frozen=True):
    """A block as it was read before: whatever else it holds is passed over."""

    type: str
    block_id: str
    sentences: tuple[ir.Sentence, ...] = ()


@regression(replaced(ir, "decode", lambda _: lambda data: msgspec.json.decode(data, type=_Document)))
def test_c4_a_block_has_one_field_for_each_meaning() -> None:
    """IR block `markdown/body` ambiguity in round-trip: what gives a text under a second name is refused."""
    sentence = ir.Sentence(sentence_id="sen_1", text="Once.")
    node = ir.Node(
        node_id="nod_1", parent_id=None, order_key="n", title="T",
        blocks=(ir.Paragraph(block_id="blk_1", sentences=(sentence,)),),
    )  # fmt: skip
    whole = ir.encode(ir.Artifact(artifact_id="art_1", title="T", nodes=(node,)))
    assert ir.encode(ir.decode(whole)) == whole
    for second in (b'"markdown":"Twice.",', b'"body":"Twice.",'):
        with pytest.raises(ValueError, match="unknown field"):
            ir.decode(whole.replace(b'"block_id":', second + b'"block_id":', 1))


class _Node(msgspec.Struct, frozen=True):
    blocks: tuple[_Lenient, ...]


class _Document(msgspec.Struct, frozen=True):
    artifact_id: str
    nodes: tuple[_Node, ...]
