"""What a start comes to before it is made: which pipeline, chosen where none was named, and on what it works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lace_core.choosing import Choice, Situation, choose
from lace_core.errors import Detail, LaceError, Reason
from lace_core.ir import Artifact
from lace_core.pipeline import AUTO, PIPELINES, Pipeline
from lace_core.scope import nodes_of
from lace_runs.app.artifacts import require_visible
from lace_runs.app.pipelines import pipeline_of
from lace_runs.app.ports import Caller, OpenUnitOfWork, Snapshots, UnitOfWork
from lace_runs.app.runs import Start, existing
from lace_runs.app.source_ports import Sources
from lace_runs.domain import steps
from lace_runs.domain.artifacts import ArtifactRecord

_SOURCES_STEP = "sources"
_MOST_REVISIONS = 50


async def settle(
    open_work: OpenUnitOfWork, sources: Sources, snapshots: Snapshots, caller: Caller, start: Start
) -> tuple[Start, Pipeline]:
    """The start with its pipeline named and, for a change, its document's title; and that pipeline.

    Raises LaceError PIPELINE_UNKNOWN, ARTIFACT_NOT_FOUND, ARTIFACT_EMPTY, NODE_NOT_FOUND, BUNDLE_NOT_FOUND,
    BUNDLE_EMPTY, PERMISSION_DENIED, INVALID_ARGUMENT.
    """
    start = await _of_bundle(sources, start)
    shipped = PIPELINES.get(start.pipeline_id)
    if shipped is not None and "recall" in shipped.names:
        raise _invalid("/pipeline_id", f"{start.pipeline_id} is started by POST /v1/artifacts/{{id}}:rollback.")
    if shipped is not None and shipped.is_of_paragraph:
        raise _invalid("/pipeline_id", f"{start.pipeline_id} is started by POST /v1/paragraphs/{{id}}:generate.")
    if shipped is not None and shipped.imports:
        raise _invalid("/pipeline_id", f"{start.pipeline_id} is started by POST /v1/sources:import.")
    if shipped is not None and not shipped.edits:
        return start, shipped
    if start.pipeline_id == AUTO:
        start = await _choose(open_work, sources, snapshots, caller, start)
    async with open_work(caller.tenant_id) as work:
        pipeline = await pipeline_of(work, caller.tenant_id, start.pipeline_id)
        if pipeline.edits:
            start = await _change(work, caller, start)
    return start, pipeline


async def _of_bundle(sources: Sources, start: Start) -> Start:
    """The start with the sources that its bundle holds now, and which version that is."""
    asked = start.request
    if not asked.bundle_id:
        if asked.bundle_version:
            raise _invalid("/bundle_version", "is the version of a bundle; name the bundle too.")
        return start
    if asked.source_ids:
        raise _invalid("/bundle", "Name a bundle or sources, not both.")
    found = await sources.bundle(asked.bundle_id, asked.bundle_version)
    if not found.source_ids:
        message = f"{asked.bundle_id} has no sources in version {found.version}."
        raise LaceError(Reason.BUNDLE_EMPTY, message)
    request = replace(
        asked,
        source_ids=found.source_ids,
        bundle_id=found.bundle_id,
        bundle_version=found.version,
        bundle_hash=found.sha256,
    )
    return replace(start, request=request)


async def _change(work: UnitOfWork, caller: Caller, start: Start) -> Start:
    """A change as it is asked of what is committed."""
    if not start.artifact_id:
        raise _invalid("/artifact_id", f"{start.pipeline_id} changes a written artifact; name it.")
    record, document = await _document(work, caller, start.artifact_id)
    if not document.nodes:
        raise LaceError(Reason.ARTIFACT_EMPTY, f"{start.artifact_id} has no committed revision yet; use generate.")
    request = start.request
    if request.title not in ("", document.title):
        raise _invalid("/title", f"{start.pipeline_id} keeps the document's title; leave it out.")
    _nodes(document, request.node_id, request.scope)
    return replace(start, request=replace(request, title=record.title, scope=request.scope or "subtree"))


async def _choose(
    open_work: OpenUnitOfWork, sources: Sources, snapshots: Snapshots, caller: Caller, start: Start
) -> Start:
    """The start under the pipeline that fits best, with the reason for it."""
    request = start.request
    given = list((await existing(sources, request.source_ids)).values())
    ready = [info.source.source_id for info in given if info.state == "ready"]
    situation = Situation(given=len(given), ready=len(ready), instructions=bool(request.instructions.strip()))
    title = request.title
    if start.artifact_id:
        candidates = ready if given else await sources.list_ready()
        async with open_work(caller.tenant_id) as work:
            record, document = await _document(work, caller, start.artifact_id)
            situation = replace(situation, has_artifact=True, has_text=any(node.blocks for node in document.nodes))
            if situation.has_text:
                known = {source.source_id for source in document.sources}
                known |= await _looked_at(work, snapshots, caller.tenant_id, start.artifact_id)
                node_ids = _nodes(document, request.node_id, request.scope)
                situation = replace(
                    situation,
                    node_has_text=any(document.node(node_id).blocks for node_id in node_ids),
                    node_title=document.node(node_ids[0]).title,
                    new_sources=len(set(candidates) - known),
                )
        title = record.title if situation.has_text else title or record.title
    return _chosen(start, choose(situation), title)


def _chosen(start: Start, choice: Choice, title: str) -> Start:
    request = replace(start.request, title=title, asked_pipeline_id=AUTO, chosen_because=choice.reason)
    if choice.pipeline_id in ("generate", "ingest"):  # what holds no text has no part that could be meant
        request = replace(request, node_id="", scope="", revision_id="")
    return replace(start, pipeline_id=choice.pipeline_id, request=request)


async def _document(work: UnitOfWork, caller: Caller, artifact_id: str) -> tuple[ArtifactRecord, Artifact]:
    """The head; what may still be wrong with the start would tell of a document that is not the caller's to see."""
    await require_visible(work, caller, artifact_id)
    record = await work.artifacts.get(caller.tenant_id, artifact_id)
    return record, await work.artifacts.document(caller.tenant_id, artifact_id, record.head_revision_id)


async def _looked_at(work: UnitOfWork, snapshots: Snapshots, tenant_id: str, artifact_id: str) -> set[str]:
    """The sources that the runs which wrote the artifact chose from, whether they cited them or not."""
    revisions = await work.artifacts.revisions(tenant_id, artifact_id, None, _MOST_REVISIONS)
    found: set[str] = set()
    for run_id in dict.fromkeys(revision.run_id for revision in revisions if revision.run_id):
        kept = await work.runs.checkpoint(tenant_id, run_id, _SOURCES_STEP)
        if kept is not None:
            data = await snapshots.get(kept.uri, kept.output_hash) if kept.uri else kept.data
            selected = steps.decode(kept.output_type, data)
            if isinstance(selected, steps.Selected):
                found.update(source.source_id for source in selected.sources)
    return found


def _nodes(document: Artifact, node_id: str, scope: str) -> Sequence[str]:
    try:
        return nodes_of(document, node_id or document.root.node_id, subtree=scope != "node")
    except LookupError:
        raise LaceError(Reason.NODE_NOT_FOUND, f"Artifact {document.artifact_id} has no node {node_id}.") from None


def _invalid(field_name: str, message: str) -> LaceError:
    return LaceError(Reason.INVALID_ARGUMENT, message, details=[Detail(field_name, message)])
