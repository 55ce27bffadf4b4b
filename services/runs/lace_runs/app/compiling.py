"""Compiling as jobs: one for each target, sent to the compiler and waited for; never part of the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from lace_core.errors import LaceError, Reason
from lace_core.ir import Source
from lace_core.migrations.stored import Stored
from lace_runs.app.execution import Execution
from lace_runs.app.ports import OpenUnitOfWork
from lace_runs.app.provenance import revision_entity
from lace_runs.app.step_scope import StepScope, Target
from lace_runs.app.verification_report import verification_of
from lace_runs.domain import steps as out

TOPIC = "compile.requested"


@dataclass(frozen=True)
class Snapshot:
    """A committed revision as a file: where it is, the SHA-256 of its bytes, the sources that it cites."""

    uri: str
    sha256: str
    sources: tuple[Source, ...]


async def keep_snapshot(execution: Execution, artifact_id: str, revision_id: str, stored: Stored) -> Snapshot:
    """Write a revision's snapshot, in the form in which it is stored; writing it again changes nothing."""
    uri, sha256 = await execution.tools.snapshots.put_snapshot(
        execution.run.tenant_id, artifact_id, revision_id, await asyncio.to_thread(stored.data)
    )
    return Snapshot(uri, sha256, stored.artifact.sources)


async def compile_targets(
    execution: Execution,
    committed: out.Committed,
    targets: Sequence[str],
    snapshot_of: Callable[[str], Awaitable[Snapshot]],
    open_work: OpenUnitOfWork,
) -> list[out.Compiled]:
    """Compile a committed revision to every target at once. A target that fails is a warning: the revision stands."""
    snapshot = await snapshot_of(committed.revision_id)
    run = execution.run
    told = await verification_of(open_work, run.tenant_id, committed.artifact_id, committed.revision_id)

    async def one(target: str) -> out.Compiled:
        async def work(scope: StepScope) -> out.Compiled:
            return await _compile(execution, scope, committed, target, snapshot, told)

        compiled = await execution.step("compile", work, Target(target, target))
        assert isinstance(compiled, out.Compiled)
        return compiled

    results = await asyncio.gather(*(one(target) for target in targets))
    execution.finish = lambda: _result(execution, committed, results)
    return results


async def _compile(
    execution: Execution, scope: StepScope, committed: out.Committed, target: str, snapshot: Snapshot, told: str
) -> out.Compiled:
    settings = {k: v for k, v in execution.run.settings.items() if k.startswith("compile.")}
    payload = {
        "run_id": execution.run.run_id,
        "tenant_id": execution.run.tenant_id,
        "artifact_id": committed.artifact_id,
        "revision_id": committed.revision_id,
        "ir_uri": snapshot.uri,
        "ir_sha256": snapshot.sha256,
        "ir_hash": committed.ir_hash,
        "target": target,
        "settings_json": orjson.dumps(settings, option=orjson.OPT_SORT_KEYS).decode(),
        "verification_json": told,
    }
    done = (await execution.job(scope, TOPIC, payload))["compiled"]
    ok = done.get("status") == "succeeded"
    compiled = out.Compiled(
        target=target,
        ok=ok,
        compiled_id=done["compiled_id"],
        bundle_hash=done["bundle_hash"],
        bundle_uri=done["bundle_uri"],
        size_bytes=int(done["size_bytes"]),
        error_code=done["error_code"],
        message=done["error_message"],
    )
    scope.event("pipeline.compile.result", {"compile_result": _wire(compiled)}, execution.tools.now())
    for warning in done.get("warnings", ()):
        await execution.warn(scope, "COMPILE_WARNING", f"{target}: {warning}", target)
    if not ok:
        await execution.warn(scope, compiled.error_code, f"{target} was not compiled: {compiled.message}", target)
    scope.lineage.used(revision_entity(committed.revision_id, snapshot.sha256, snapshot.uri))
    scope.lineage.rests_on(snapshot.sources)
    if ok:
        scope.lineage.made(
            {
                "entity_id": compiled.compiled_id,
                "content_hash": compiled.bundle_hash,
                "uri": compiled.bundle_uri,
                "kind": "compiled",
            }
        )
    scope.summary = f"{compiled.size_bytes} bytes" if ok else compiled.error_code
    return compiled


async def _result(
    execution: Execution, committed: out.Committed, compiled: Sequence[out.Compiled]
) -> Mapping[str, Any]:
    del execution
    return {**msgspec.to_builtins(committed), "compiled": [_wire(item) for item in compiled]}


def _wire(compiled: out.Compiled) -> dict[str, Any]:
    fields = msgspec.to_builtins(compiled)
    del fields["bundle_uri"]
    return dict(fields)


class CompileRun:
    """The pipeline compile: a committed revision once more to some targets."""

    def __init__(self, execution: Execution, open_work: OpenUnitOfWork) -> None:
        self.execution = execution
        self._open = open_work

    async def compile(self) -> out.Committed:
        """Find the revision, then compile it."""
        run = self.execution.run
        targets = list(run.request.targets or run.settings["compile.targets"])
        self.execution.set_total(1 + len(targets))
        committed = await self.execution.step("snapshot", self._find)
        assert isinstance(committed, out.Committed)
        await compile_targets(self.execution, committed, targets, self._snapshot, self._open)
        return committed

    async def _find(self, scope: StepScope) -> out.Committed:
        run = self.execution.run
        async with self._open(run.tenant_id) as work:
            revision_id = run.request.revision_id
            if not revision_id:
                revision_id = (await work.artifacts.get(run.tenant_id, run.artifact_id)).head_revision_id
            if not revision_id:
                raise LaceError(Reason.ARTIFACT_EMPTY, f"{run.artifact_id} has no committed revision yet.")
            revision = await work.artifacts.revision(run.tenant_id, run.artifact_id, revision_id)
        scope.summary = revision_id
        return out.Committed(
            artifact_id=run.artifact_id,
            revision_id=revision_id,
            ir_hash=revision.ir_hash,
            content_hash=revision.content_hash,
            sentences=0,
            cited_sentences=0,
            cited_sources=0,
        )

    async def _snapshot(self, revision_id: str) -> Snapshot:
        run = self.execution.run
        async with self._open(run.tenant_id) as work:
            stored = await work.artifacts.stored(run.tenant_id, run.artifact_id, revision_id)
        return await keep_snapshot(self.execution, run.artifact_id, revision_id, stored)
