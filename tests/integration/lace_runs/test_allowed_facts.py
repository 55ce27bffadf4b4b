"""A section that names the facts it may use: nothing else reaches its writer, and nothing else may be answered."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lace_core import contracts
from lace_core.actions import SetConstraints
from lace_core.contracts import Written, WrittenParagraph, WrittenSentence
from lace_core.ir import Artifact, cited_parts
from lace_platform.clock import utc_now
from lace_runs.app import artifacts
from lace_runs.domain.runs import Run, RunState
from tests.doubles.paragraphs_world import COST, FACTS, PAID
from tests.doubles.runs_world import World

COSTS = "Cost"


@pytest.fixture
def asked(world: World) -> list[tuple[str, Any]]:
    """What the model is asked from now on, by contract."""
    for fact_id, (unit_id, quote) in FACTS.items():
        world.facts.state(fact_id, unit_id, quote)
    found: list[tuple[str, Any]] = []
    answer = world.model.answer

    def watched(contract: contracts.Contract, question: Any) -> str:
        found.append((contract.name, question))
        return answer(contract, question)

    world.model.answer = watched  # type: ignore[assignment, method-assign]
    return found


async def run(world: World, pipeline_id: str, **request: Any) -> Run:
    started = await world.start(pipeline_id, **request)
    async with world.worker():
        return await world.until(started.run_id, "succeeded", "failed")


async def document(world: World, artifact_id: str) -> Artifact:
    async with world.open(world.tenant_id) as work:
        return (await artifacts.show(work, world.tenant_id, artifact_id)).document


async def allow(world: World, artifact_id: str, title: str, *fact_ids: str) -> str:
    """Name the facts of the section of that title (the root where empty); its id."""
    shown = await document(world, artifact_id)
    node = next(n for n in shown.nodes if n.title == title) if title else shown.root
    named = msgspec.structs.replace(node.constraints, allowed_fact_ids=fact_ids)
    action = SetConstraints(key="allow", node_id=node.node_id, constraints=named)
    async with world.open(world.tenant_id) as work:
        await artifacts.patch(work, world.sources, world.caller(), artifacts.Patch(artifact_id, (action,)), utc_now())
        await work.commit()
    return node.node_id


def facts_told(asked: list[tuple[str, Any]], title: str) -> set[tuple[str, str]]:
    """The (id, text) of every fact that a writer of the section was given."""
    return {
        (fact.fact_id, fact.text)
        for _, question in asked
        if getattr(question, "section", None) is not None and question.section.title == title
        for fact in getattr(question, "facts", ())
    }


def texts(shown: Artifact, node_id: str) -> list[str]:
    return [part.text for block in shown.node(node_id).blocks for part in cited_parts(block)]


async def test_generate_gives_an_outlined_section_its_allowed_facts_alone(
    world: World, asked: list[tuple[str, Any]]
) -> None:
    outlined = await run(world, "outline", title="The bridge")
    node_id = await allow(world, outlined.artifact_id, COSTS, "fct_paid")
    done = await run(world, "generate", title="The bridge", artifact_id=outlined.artifact_id)
    assert done.state is RunState.SUCCEEDED, done.error_message
    assert facts_told(asked, COSTS) == {("fct_paid", PAID)}
    shown = await document(world, outlined.artifact_id)
    assert texts(shown, node_id) == [PAID]
    assert {e.method for e in shown.node(node_id).evidence} == {"fact"}
    safety = next(n for n in shown.nodes if n.title == "Safety")
    assert len(texts(shown, safety.node_id)) == 2  # a section that names none is written as ever


async def test_generate_shares_the_facts_of_the_root_among_its_sections(
    world: World, asked: list[tuple[str, Any]]
) -> None:
    outlined = await run(world, "outline", title="The bridge")
    await allow(world, outlined.artifact_id, "", "fct_cost", "fct_tested")
    done = await run(world, "generate", title="The bridge", artifact_id=outlined.artifact_id)
    assert done.state is RunState.SUCCEEDED, done.error_message
    assert {ident for ident, _ in facts_told(asked, COSTS)} == {"fct_cost"}
    assert {ident for ident, _ in facts_told(asked, "Safety")} == {"fct_tested"}
    assert {ident for ident, _ in facts_told(asked, "The bridge")} == {"fct_cost", "fct_tested"}


@pytest.mark.parametrize(
    ("pipeline_id", "told"),
    [
        ("regenerate", {"fct_paid"}),
        pytest.param("expand", set(), marks=pytest.mark.slow),  # the one fact it may use is cited already
        pytest.param("enrich", set(), marks=pytest.mark.slow),
        pytest.param("patch", {"F2"}, marks=pytest.mark.slow),  # under the name that its citation has
    ],
)
async def test_a_change_is_given_allowed_facts_alone(
    world: World, asked: list[tuple[str, Any]], pipeline_id: str, told: set[str]
) -> None:
    first = await run(world, "generate", title="The bridge")
    node_id = await allow(world, first.artifact_id, COSTS, "fct_paid")
    asked.clear()
    more = {"instructions": "Leave out gold."} if pipeline_id == "patch" else {}
    done = await run(world, pipeline_id, artifact_id=first.artifact_id, node_id=node_id, **more)
    assert done.state is RunState.SUCCEEDED, done.error_message
    found = facts_told(asked, COSTS)
    assert {ident for ident, _ in found} == told
    assert {text for _, text in found} <= {PAID}


async def test_an_answer_beyond_the_allowed_facts_is_refused_with_a_pointer(
    world: World, asked: list[tuple[str, Any]]
) -> None:
    def stray(question: contracts.WriteMoreInput) -> Written:
        sentence = WrittenSentence(text=COST, fact_ids=("fct_cost",))
        return Written(blocks=(WrittenParagraph(sentences=(sentence,)),), summary="")

    first = await run(world, "generate", title="The bridge")
    node_id = await allow(world, first.artifact_id, COSTS, "fct_paid")
    before = await document(world, first.artifact_id)
    world.model.write = stray  # type: ignore[assignment, method-assign]
    done = await run(
        world, "regenerate", artifact_id=first.artifact_id, node_id=node_id, settings={"runs.step_attempts": 1}
    )
    assert (done.state, done.error_code) == (RunState.FAILED, "PROVIDER_OUTPUT_INVALID")
    assert done.error_message.endswith("not given, at /blocks/0/sentences/0/fact_ids: fct_cost.")
    assert await document(world, first.artifact_id) == before


@pytest.mark.slow
async def test_a_fact_that_cannot_be_used_is_left_out_and_told(world: World, asked: list[tuple[str, Any]]) -> None:
    outlined = await run(world, "outline", title="The bridge")
    await allow(world, outlined.artifact_id, COSTS, "fct_paid", "fct_cost", "fct_nowhere")
    world.facts.state("fct_cost", "unt_cost", COST, state="retired")
    done = await run(world, "generate", title="The bridge", artifact_id=outlined.artifact_id)
    assert {ident for ident, _ in facts_told(asked, COSTS)} == {"fct_paid"}
    assert {(w["code"], w["subject"]) for w in done.warnings if w["code"].startswith("FACT_")} == {
        ("FACT_RETIRED", "fct_cost"), ("FACT_NOT_FOUND", "fct_nowhere")
    }  # fmt: skip
