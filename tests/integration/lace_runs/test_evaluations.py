"""Kept reports: who sees them, and that what takes too long is given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest

from lace_core.errors import LaceError, Reason
from lace_core.evaluation.citations import CitationReport, measure
from lace_core.evaluation.pairs import Pair, Quoted
from lace_core.evaluation.reports import Scored, score
from lace_core.ir import Artifact
from lace_platform.clock import utc_now
from lace_runs.adapters.scoring.child_scorer import ChildScorer
from lace_runs.app.evaluations.evaluating import Asked, evaluate
from lace_runs.app.ports import Caller
from lace_runs.domain.evaluations import BUILTIN, Evaluation
from lace_runs.domain.runs import RunState
from tests.doubles.runs_world import SOURCE, World

HELD = frozenset({"secret"})
PAIR = Pair(id="a", kind="k", label="supported", sentence="It rained.", evidence=(Quoted(quote="It rained."),))
ASKED = Asked(title="", set_name="", pairs=(), artifact_id="", revision_id="", scorer=BUILTIN, verdicts=())


class Here:
    """The built-in verifier in this process."""

    async def score(self, pairs: Sequence[Pair]) -> Sequence[Scored]:
        return tuple(score(pairs))

    async def measure(self, document: Artifact) -> CitationReport:
        return measure(document)


async def keep(world: World, asked: Asked, caller: Caller) -> Evaluation:
    found = await evaluate(world.open, Here(), caller, asked, utc_now())
    async with world.open(world.tenant_id) as work:
        await work.evaluations.add(world.tenant_id, found)
        await work.commit()
    return found


async def seen(world: World, labels: frozenset[str]) -> set[str]:
    async with world.open(world.tenant_id) as work:
        return {own.evaluation_id for own in await work.evaluations.page(world.tenant_id, "", labels, None, 10)}


async def test_a_report_on_given_pairs_is_seen_by_who_holds_what_their_giver_held(world: World) -> None:
    giver = replace(world.caller(), labels=HELD)
    kept = await keep(world, replace(ASKED, pairs=(PAIR,)), giver)
    shared = await keep(world, replace(ASKED, set_name="golden"), replace(world.caller(), labels=HELD))
    assert await seen(world, frozenset()) == {shared.evaluation_id}
    assert await seen(world, frozenset({"secret", "other"})) == {kept.evaluation_id, shared.evaluation_id}
    async with world.open(world.tenant_id) as work:
        assert await work.evaluations.get(world.tenant_id, kept.evaluation_id, HELD) == kept
        with pytest.raises(LaceError) as refused:
            await work.evaluations.get(world.tenant_id, kept.evaluation_id, frozenset())
    assert refused.value.reason is Reason.EVALUATION_NOT_FOUND


async def test_a_document_s_report_is_seen_and_made_by_who_may_see_the_document(world: World) -> None:
    world.sources.known[SOURCE.source_id] = msgspec.structs.replace(SOURCE, labels=tuple(HELD))
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.state is RunState.SUCCEEDED
    asked = replace(ASKED, artifact_id=done.artifact_id)
    kept = await keep(world, asked, replace(world.caller(), labels=HELD))
    assert isinstance(kept.report, CitationReport)
    assert kept.report.whole.pieces > 0
    assert kept.report.whole.recall.count == kept.report.whole.pieces
    assert (kept.revision_id, set(kept.labels)) == (done.revision_id, set(HELD))
    assert await seen(world, HELD) == {kept.evaluation_id}
    assert await seen(world, frozenset()) == set()
    with pytest.raises(LaceError) as refused:
        await keep(world, asked, world.caller())
    assert refused.value.reason is Reason.ARTIFACT_NOT_FOUND


async def test_the_child_finds_what_is_found_here_and_is_given_up_in_time() -> None:
    pairs = tuple(bearing(number) for number in range(20))
    assert list(await ChildScorer(20, 1).score(pairs)) == list(score(pairs))
    with pytest.raises(LaceError) as refused:
        await ChildScorer(0.05, 1).score(pairs)
    assert refused.value.reason is Reason.EVALUATION_LIMIT_EXCEEDED


def bearing(number: int) -> Pair:
    quote = f"Bearing {number} carries {number * 7} tonnes."
    wrong = f"Bearing {number} carries {number * 7 + number % 2} tonnes."
    return Pair(id=str(number), kind="k", label="not", sentence=wrong, evidence=(Quoted(quote=quote),))
