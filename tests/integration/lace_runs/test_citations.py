"""Who cites what: by source, unit and document, in the newest revision, for who may see it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lace_core.actions import RemoveBlock
from lace_core.errors import LaceError, Reason
from lace_core.ir import cited_parts
from lace_platform.clock import utc_now
from lace_runs.app import artifacts
from lace_runs.app.citations import list_citations
from lace_runs.domain.citations import Citation, Cursor, Wanted
from lace_runs.domain.runs import Run, RunState
from tests.doubles.runs_world import SOURCE, World

ALL = frozenset(SOURCE.labels)


@pytest.fixture
async def written(world: World) -> Run:
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.state is RunState.SUCCEEDED
    return done


async def _find(world: World, wanted: Wanted, after: Cursor | None = None, limit: int = 100) -> list[Citation]:
    reader = replace(world.caller(), labels=wanted.labels)
    return list(await list_citations(world.open, reader, wanted, after, limit))


async def _expected(world: World, artifact_id: str) -> dict[tuple[str, str], list[str]]:
    """By node and evidence the sentences that rest on it, as the document itself says."""
    async with world.open(world.tenant_id) as work:
        document = (await artifacts.show(work, world.tenant_id, artifact_id)).document
    return {
        (node.node_id, evidence.evidence_id): [
            part.part_id
            for block in node.blocks
            for part in cited_parts(block)
            if evidence.evidence_id in part.evidence_ids
        ]
        for node in document.nodes
        for evidence in node.evidence
    }


async def test_citations_are_those_of_the_document_by_source_unit_document_and_page(world: World, written: Run) -> None:
    expected = await _expected(world, written.artifact_id)
    found = await _find(world, Wanted(source_ids=(SOURCE.source_id,), labels=ALL))
    told = {(one.node_id, one.evidence.evidence_id): [part.part_id for part in one.parts] for one in found}
    assert told == expected
    assert any(told.values())
    assert {one.artifact_id for one in found} == {written.artifact_id}
    assert {one.revision_id for one in found} == {written.revision_id}
    await _are_found_by_unit_and_document(world, written, found)
    paged: list[Citation] = []
    wanted = Wanted(source_ids=(SOURCE.source_id,), labels=ALL)
    while page := await _find(world, wanted, paged[-1].cursor if paged else None, 2):
        paged.extend(page)
    assert paged == found


async def _are_found_by_unit_and_document(world: World, written: Run, every: list[Citation]) -> None:
    assert await _find(world, Wanted(artifact_id=written.artifact_id, labels=ALL)) == every
    unit_id = every[0].evidence.unit_id
    of_unit = await _find(world, Wanted(unit_ids=(unit_id,), labels=ALL))
    assert of_unit == [one for one in every if one.evidence.unit_id == unit_id]
    assert await _find(world, Wanted(unit_ids=("unt_none",), artifact_id=written.artifact_id, labels=ALL)) == []
    assert await _find(world, Wanted(source_ids=("src_none",), labels=ALL)) == []


async def test_a_revision_that_is_not_the_newest_is_told_of_where_it_is_asked_for(world: World, written: Run) -> None:
    wanted = Wanted(source_ids=(SOURCE.source_id,), labels=ALL)
    [first, *_] = [one for one in await _find(world, wanted) if one.parts]
    async with world.open(world.tenant_id) as work:
        document = (await artifacts.show(work, world.tenant_id, written.artifact_id)).document
        blocks = [block.block_id for block in document.node(first.node_id).blocks]
        asked = artifacts.Patch(written.artifact_id, tuple(RemoveBlock(key=b, block_id=b) for b in blocks))
        await artifacts.patch(work, world.sources, world.caller(), asked, utc_now())
        await work.commit()
    now = await _find(world, wanted)
    assert first.node_id not in {one.node_id for one in now}
    assert written.revision_id not in {one.revision_id for one in now}
    ever = await _find(world, replace(wanted, all_revisions=True))
    assert first in ever
    assert all(one in ever for one in now)


async def test_another_tenant_and_who_lacks_a_label_of_a_cited_source_are_told_nothing(
    world: World, written: Run
) -> None:
    async with world.open(world.tenant_id) as work:
        await work._tx.execute(  # type: ignore[attr-defined]
            """UPDATE runs.artifact_revisions SET sources = jsonb_set(sources, '{0,labels}', '["secret"]')
               WHERE tenant_id = :tenant_id""",
            {"tenant_id": world.tenant_id},
        )
        await work.commit()
    wanted = Wanted(source_ids=(SOURCE.source_id,), labels=ALL)
    assert await _find(world, wanted) == []
    with pytest.raises(LaceError) as hidden:
        await _find(world, Wanted(artifact_id=written.artifact_id, labels=ALL))
    assert hidden.value.reason is Reason.ARTIFACT_NOT_FOUND
    wanted = replace(wanted, labels=frozenset({*ALL, "secret"}))
    assert await _find(world, wanted)
    stranger = replace(world.caller(), tenant_id="ten_other")
    assert list(await list_citations(world.open, stranger, wanted, None, 10)) == []
    with pytest.raises(LaceError) as refused:
        await list_citations(world.open, stranger, Wanted(artifact_id=written.artifact_id), None, 10)
    assert refused.value.reason is Reason.ARTIFACT_NOT_FOUND


async def test_something_must_be_named(world: World) -> None:
    with pytest.raises(LaceError) as refused:
        await _find(world, Wanted(labels=ALL))
    assert refused.value.reason is Reason.INVALID_ARGUMENT
