"""Revisions of IR schema 1 beside those of schema 2: verified as they are stored, migrated when they are read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lace_core import ir
from lace_core.actions import SetConstraints, UpdateNode
from lace_core.canonical import hash_json
from lace_core.diff import diff
from lace_core.errors import LaceError, Reason
from lace_core.merkle import block_hash
from lace_core.migrations.stored import Stored, content_hash_of_form, ir_hash_of_form
from lace_core.settings import resolve
from lace_platform.clock import utc_now
from lace_runs.app import artifacts, rollback, verification
from lace_runs.app.ports import Resolved
from lace_runs.domain.runs import RunState
from tests.doubles.runs_world import World

_NODES = """INSERT INTO runs.artifact_nodes (tenant_id, artifact_id, node_id, node_hash, title, state, body)
 VALUES (:t, :a, :node_id, :node_hash, :title, :state, CAST(:body AS jsonb)) ON CONFLICT DO NOTHING"""
_BLOCKS = """INSERT INTO runs.artifact_blocks
 (tenant_id, artifact_id, node_id, node_hash, position, block_id, block_type, block_hash, body)
 VALUES (:t, :a, :node_id, :node_hash, :position, :block_id, :type, :block_hash, CAST(:body AS jsonb))
 ON CONFLICT DO NOTHING"""
_REVISION = """UPDATE runs.artifact_revisions SET ir_schema_version = 1, ir_hash = :ir_hash,
 content_hash = :content_hash, nodes = CAST(:nodes AS jsonb)
 WHERE tenant_id = :t AND artifact_id = :a AND revision_id = :r"""


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


async def _as_first_release(world: World, artifact_id: str, revision_id: str) -> dict[str, Any]:
    """Put the revision's rows as a release of schema 1 wrote them: a glossary of strings, hashes over that form."""
    async with world.open(world.tenant_id) as work:
        document = await work.artifacts.document(world.tenant_id, artifact_id, revision_id)
    form: dict[str, Any] = {**msgspec.json.decode(ir.encode(document)), "ir_schema_version": 1}
    form["nodes"][0]["constraints"]["glossary"] = ["main", "wall"]
    key = {"t": world.tenant_id, "a": artifact_id}
    places = []
    async with world.system.transaction() as tx:
        for position, (node, parsed) in enumerate(zip(form["nodes"], document.nodes, strict=True)):
            digest = hash_json({name: value for name, value in node.items() if name != "parent_id"})
            names = ("node_id", "parent_id", "order_key")
            places.append({"position": position, **{name: node[name] for name in names}, "node_hash": digest})
            body = {k: v for k, v in node.items() if k not in ("parent_id", "order_key", "blocks")}
            row = {"node_id": node["node_id"], "node_hash": digest}
            more = {"title": node["title"], "state": node["state"], "body": _json(body)}
            await tx.execute(_NODES, {**key, **row, **more})
            for place, (block, value) in enumerate(zip(node["blocks"], parsed.blocks, strict=True)):
                own = {"position": place, "block_id": block["block_id"], "type": block["type"], "body": _json(block)}
                await tx.execute(_BLOCKS, {**key, **row, **own, "block_hash": block_hash(value)})
        hashes = {"ir_hash": ir_hash_of_form(form), "content_hash": content_hash_of_form(form)}
        await tx.execute(_REVISION, {**key, "r": revision_id, **hashes, "nodes": _json(places)})
        await tx.commit()
    return form


@pytest.fixture
async def old(world: World) -> tuple[str, str, dict[str, Any]]:
    """(artifact, its head, the form of schema 1 in which that is stored)"""
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.result is not None
    head = str(done.result["revision_id"])
    return run.artifact_id, head, await _as_first_release(world, run.artifact_id, head)


async def _stored(world: World, artifact_id: str, revision_id: str) -> Stored:
    async with world.open(world.tenant_id) as work:
        return await work.artifacts.stored(world.tenant_id, artifact_id, revision_id)


async def _patched(world: World, artifact_id: str, **values: Any) -> artifacts.Shown:
    async with world.open(world.tenant_id) as work:
        root = (await artifacts.show(work, world.tenant_id, artifact_id)).document.root
        kind = SetConstraints if "constraints" in values else UpdateNode
        asked = artifacts.Patch(artifact_id, (kind(key="k", node_id=root.node_id, **values),))
        shown, _ = await artifacts.patch(work, world.sources, world.caller(), asked, utc_now())
        await work.commit()
    return shown


async def test_an_old_revision_is_read_built_on_and_brought_back(
    world: World, old: tuple[str, str, dict[str, Any]]
) -> None:
    artifact_id, first, form = old
    stored = await _stored(world, artifact_id, first)
    assert stored.artifact.root.constraints.glossary == tuple(ir.GlossaryTerm(term=t) for t in ("main", "wall"))
    assert msgspec.json.decode(stored.data()) == form
    assert stored.ir_hash() == ir_hash_of_form(form)

    child = await _patched(world, artifact_id, title="Another title")
    assert child.revision is not None
    assert (child.revision.ir_schema_version, child.revision.parent_revision_id) == (2, first)
    found = diff(stored.artifact, child.document).differences
    assert [(d.subject, d.change, d.fields) for d in found] == [("node", "changed", ("title",))]

    async with world.open(world.tenant_id) as work:
        values = Resolved({**resolve([]).values, "compile.targets": []}, "", "")
        _, run = await rollback.start(work, world.caller(), rollback.Asked(artifact_id, first), values, utc_now())
        await work.commit()
    assert run is not None
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.state is RunState.SUCCEEDED
    async with world.open(world.tenant_id) as work:
        back = (await artifacts.show(work, world.tenant_id, artifact_id)).revision
    assert back is not None
    assert (back.ir_schema_version, back.ir_hash) == (1, ir_hash_of_form(form))
    kept = await verification.verify_artifact(
        world.open, world.snapshots, world.tenant_id, artifact_id, back.revision_id
    )
    assert kept.damages == [], "the snapshot is of the form that is stored"


async def test_an_old_revision_that_was_altered_is_neither_read_nor_built_on(
    world: World, old: tuple[str, str, dict[str, Any]]
) -> None:
    artifact_id, first, _ = old
    altered = """UPDATE runs.artifact_nodes SET body = jsonb_set(body, '{constraints,glossary,0}', '"other"')
                 WHERE artifact_id = :a AND jsonb_typeof(body #> '{constraints,glossary}') = 'array'"""
    async with world.system.transaction() as tx:
        assert (await tx.execute(altered, {"a": artifact_id})).rowcount == 1
        await tx.commit()
    for attempt in (_stored(world, artifact_id, first), _patched(world, artifact_id, title="Y")):
        with pytest.raises(LaceError) as caught:
            await attempt
        assert caught.value.reason is Reason.IR_CORRUPT


async def test_terms_are_set_on_what_had_strings(world: World, old: tuple[str, str, dict[str, Any]]) -> None:
    artifact_id, first, _ = old
    terms = (ir.GlossaryTerm(term="main", definition="the pipe", avoid=("line",)),)
    child = await _patched(world, artifact_id, constraints=ir.Constraints(glossary=terms, locked=("glossary",)))
    assert child.document.root.constraints.glossary == terms
    before = (await _stored(world, artifact_id, first)).artifact
    found = diff(before, child.document).differences
    assert [(d.subject, d.change, d.fields) for d in found] == [("node", "changed", ("constraints",))]
