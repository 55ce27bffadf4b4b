"""The neighbours: control, ingest and the model gateway over gRPC, under the identity of the call under way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any

import grpc
import orjson

from lace.control.v1 import control_pb2, control_pb2_grpc
from lace.ingest.v1 import (
    bundles_pb2,
    bundles_pb2_grpc,
    ingest_pb2,
    ingest_pb2_grpc,
    intake_pb2,
    intake_pb2_grpc,
    retrieval_pb2,
    retrieval_pb2_grpc,
)
from lace.llm_gateway.v1 import llm_gateway_pb2, llm_gateway_pb2_grpc
from lace_core.contracts import Contract, SourceOutline, SourceSection
from lace_core.errors import LaceError, Reason
from lace_core.ir import Source
from lace_core.planning import Hit, Unit, UnitTable
from lace_platform.blobs import BlobStore
from lace_platform.clock import utc_now
from lace_platform.ids import new_id
from lace_platform.rpc import CallContext, ServiceIdentity, acting_as
from lace_proto import json as wire_json
from lace_runs.app.model_ports import ModelAnswer, PromptTokens, TokenCounts
from lace_runs.app.ports import Caller, Resolved
from lace_runs.app.source_ports import BundleInfo, SourceInfo
from lace_runs.domain.artifacts import snapshot_key
from lace_runs.domain.quotas import Limits
from lace_runs.domain.runs import Run

_PAGE = 1000
_MANY = 1000
_RENEW_BEFORE_S = 30.0
# What a search depends on: itself, and the calls of models that it may make.
_SEARCHING = ("retrieval.", "llm.embedding_", "llm.rerank_", "llm.redaction", "llm.timeout_s", "llm.retries", "events.")
_MODES = {
    "auto": retrieval_pb2.SEARCH_MODE_AUTO,
    "lexical": retrieval_pb2.SEARCH_MODE_LEXICAL,
    "hybrid": retrieval_pb2.SEARCH_MODE_HYBRID,
    "dense": retrieval_pb2.SEARCH_MODE_DENSE,
}


class ControlSettings:
    """Settings as control resolves them for the caller."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = control_pb2_grpc.SettingsServiceStub(channel)

    async def resolve(self, overrides: Mapping[str, Any]) -> Resolved:
        """Raises LaceError SETTING_*."""
        request = control_pb2.ResolveSettingsRequest()
        request.overrides.update(dict(overrides))
        answer = await self._stub.ResolveSettings(request)
        values = wire_json.to_python(answer)["values"]
        told = answer.quotas
        limits = Limits(told.max_concurrent_runs, told.max_queued_runs, told.runs_per_minute, told.version)
        return Resolved(values, answer.settings_hash, answer.settings_uri, limits)


class ControlAudit:
    """Audit entries, recorded by control on this service's behalf."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = control_pb2_grpc.AuditServiceStub(channel)

    async def record(self, caller: Caller, action: str, subject: str, details: Mapping[str, Any]) -> None:
        """Recording the same again changes nothing."""
        entry = control_pb2.AuditEntry(
            audit_id=new_id("aud"),
            principal_id=caller.principal_id,
            action=action,
            subject=subject,
            outcome="done",
            correlation_id=caller.correlation_id,
        )
        entry.occurred_at.FromDatetime(utc_now())
        entry.details.update(dict(details))
        await self._stub.RecordAuditEntry(control_pb2.RecordAuditEntryRequest(tenant_id=caller.tenant_id, entry=entry))


class RunGrants:
    """Lets work be done under a run's own grant, renewed while the run lives; see app.ports.Acting."""

    def __init__(self, channel: grpc.aio.Channel, identity: ServiceIdentity) -> None:
        self._stub = control_pb2_grpc.AuthServiceStub(channel)
        self._identity = identity
        self._grants: dict[str, tuple[str, float]] = {}

    def __call__(self, run: Run, timeout_s: float) -> AbstractAsyncContextManager[None]:
        """Within the block, calls to other services carry the run's identity, request, trace and remaining time."""
        call = CallContext(
            identity=None,
            request_id=run.request_id,
            correlation_id=run.correlation_id,
            traceparent=run.traceparent or None,
            deadline=time.monotonic() + timeout_s,
            sign=partial(self._grant, run),  # a step that calls nobody needs none
        )
        return _Acting(call)

    def forget(self, run_id: str) -> None:
        """The run has ended."""
        self._grants.pop(run_id, None)

    async def _grant(self, run: Run) -> str:
        signed, renew_at = self._grants.get(run.run_id, ("", 0.0))
        if time.time() < renew_at:
            return signed
        # In calls of its own: the one under way asks for this very grant.
        asking = CallContext(identity=None, request_id=run.request_id, correlation_id=run.correlation_id)
        with acting_as(asking):
            own = await self._identity.token()
        with acting_as(replace(asking, signed_identity=own)):
            grant = await self._stub.IssueRunGrant(
                control_pb2.IssueRunGrantRequest(
                    run_id=run.run_id,
                    tenant_id=run.tenant_id,
                    principal_id=run.requested_by,
                    scopes=run.scopes,
                )
            )
        self._grants[run.run_id] = (grant.identity, grant.expires_at.ToNanoseconds() / 1e9 - _RENEW_BEFORE_S)
        return grant.identity


class _Acting:
    """A call that is current within the block; written out, as every step opens one."""

    def __init__(self, call: CallContext) -> None:
        self._acting = acting_as(call)

    async def __aenter__(self) -> None:
        self._acting.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._acting.__exit__(kind, error, trace)


class IngestSources:
    """What ingest knows; see app.source_ports.Sources."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._sources = ingest_pb2_grpc.SourceServiceStub(channel)
        self._bundles = bundles_pb2_grpc.BundleServiceStub(channel)
        self._intake = intake_pb2_grpc.IntakeServiceStub(channel)
        self._retrieval = retrieval_pb2_grpc.RetrievalServiceStub(channel)

    async def get(self, source_id: str) -> SourceInfo:
        """A source; raises LaceError SOURCE_NOT_FOUND."""
        return _info(await self._sources.GetSource(ingest_pb2.GetSourceRequest(source_id=source_id)))

    async def many(self, source_ids: Sequence[str]) -> Mapping[str, SourceInfo]:
        """These sources by id; those that are not there, or that the caller may not see, are left out."""
        found: dict[str, SourceInfo] = {}
        for start in range(0, len(source_ids), _MANY):
            request = intake_pb2.GetSourcesRequest(source_ids=source_ids[start : start + _MANY])
            answer = await self._intake.GetSources(request)
            found.update({source.source_id: _info(source) for source in answer.sources})
        return found

    async def bundle(self, name: str, version: int) -> BundleInfo:
        """A version of a bundle. Raises LaceError BUNDLE_NOT_FOUND, BUNDLE_EMPTY, PERMISSION_DENIED."""
        request = bundles_pb2.GetBundleVersionRequest(bundle_id=name, version=version)
        found = await self._bundles.GetBundleVersion(request)
        if found.withheld_count:
            message = f"{found.withheld_count} sources of {name} carry labels that you do not hold."
            raise LaceError(Reason.PERMISSION_DENIED, message)
        return BundleInfo(found.bundle_id, found.version, tuple(found.source_ids), found.sha256)

    async def list_ready(self) -> Sequence[str]:
        """Ids of the newest version that is ready of each document, sorted by file name."""
        newest: dict[str, ingest_pb2.Source] = {}
        request = ingest_pb2.ListSourcesRequest(page_size=500, state=ingest_pb2.SOURCE_STATE_READY)
        while True:
            page = await self._sources.ListSources(request)
            for source in page.sources:
                kept = newest.setdefault(source.series_id, source)
                if source.version > kept.version:
                    newest[source.series_id] = source
            if not page.next_page_token:
                return [source_id for _, source_id in sorted((one.filename, one.source_id) for one in newest.values())]
            request.page_token = page.next_page_token

    async def outlines(self, source_ids: Sequence[str]) -> Sequence[SourceInfo]:
        """The ready ones among these sources with what they speak of, sorted by file name."""
        answer = await self._sources.GetOutlines(ingest_pb2.GetOutlinesRequest(source_ids=source_ids))
        return [_info(outline.source, outline.sections) for outline in answer.outlines]

    async def search(
        self, queries: Sequence[tuple[str, str]], source_ids: Sequence[str], limit: int, settings: Mapping[str, Any]
    ) -> tuple[Sequence[Sequence[Hit]], Mapping[str, Unit]]:
        """Hits for each (key, text), and the units that they name."""
        results: list[Sequence[Hit]] = []
        units: dict[str, Unit] = {}
        for start in range(0, len(queries), 200):
            answer = await self._retrieval.Search(
                retrieval_pb2.SearchRequest(
                    queries=[
                        retrieval_pb2.Query(key=k, text=t[:4000], limit=limit) for k, t in queries[start : start + 200]
                    ],
                    filters=retrieval_pb2.Filters(source_ids=source_ids),
                    mode=_MODES[settings.get("retrieval.run_mode", "lexical")],
                    settings_json=_settings_of(settings, _SEARCHING),
                )
            )
            sources = {source.source_id: source for source in answer.sources}
            units.update({unit.unit_id: _unit(unit, sources[unit.source_id]) for unit in answer.units})
            results.extend(
                [Hit(hit.unit_id, round(float(hit.score) * 1_000_000), hit.method) for hit in result.hits]
                for result in answer.results
            )
        return results, units

    async def unit_texts(self, cited: Iterable[tuple[str, str]]) -> Mapping[str, str]:
        """The text of every unit by unit id, of these sources as these extractions read them."""
        texts: dict[str, str] = {}
        for source_id, extraction in sorted(set(cited)):
            try:
                texts.update(await self._units(source_id, extraction))
            except LaceError as error:
                if error.reason is not Reason.EXTRACTION_NOT_FOUND:
                    raise
        return texts

    async def _units(self, source_id: str, extraction: str) -> Mapping[str, str]:
        texts: dict[str, str] = {}
        request = ingest_pb2.ListUnitsRequest(source_id=source_id, extraction=extraction, page_size=_PAGE)
        while True:
            page = await self._sources.ListUnits(request)
            texts.update((unit.unit_id, unit.text) for unit in page.units)
            if not page.next_page_token:
                return texts
            request.page_token = page.next_page_token


class GatewayModels:
    """Model calls through the gateway; see app.model_ports.Models."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = llm_gateway_pb2_grpc.GenerationServiceStub(channel)

    async def count(
        self, prompts: Sequence[tuple[Contract, str]], parts: Sequence[str], settings: Mapping[str, Any]
    ) -> TokenCounts:
        """See app.model_ports.Models.count."""
        first, *more = [
            llm_gateway_pb2.GenerateRequest(
                contract=contract.name, input_json=input_json, settings_json=_own_settings(settings)
            )
            for contract, input_json in prompts
        ]
        request = llm_gateway_pb2.CountTokensRequest(request=first, more=more, parts=parts)
        answer = await self._stub.CountTokens(request)
        return TokenCounts((_counted(answer), *map(_counted, answer.more)), tuple(answer.part_tokens))

    async def generate(
        self,
        contract: Contract,
        input_json: str,
        *,
        run_id: str,
        step_id: str,
        attempt: int,
        settings: Mapping[str, Any],
        progress: Callable[[int], None],
    ) -> ModelAnswer:
        """Raises LaceError PROVIDER_* and the like."""
        request = llm_gateway_pb2.GenerateRequest(
            contract=contract.name,
            input_json=input_json,
            run_id=run_id,
            step_id=step_id,
            attempt=attempt,
            settings_json=_own_settings(settings),
        )
        # What was not verified stays in the gateway: a run's stream hears how far the answer is, not what it says.
        asked = llm_gateway_pb2.StreamGenerateRequest(request=request, progress_only=True)
        events: Any = self._stub.StreamGenerate(asked)
        async with aclosing(events):
            async for event in events:
                if event.WhichOneof("event") == "settled":
                    return _answer(event.settled)
                progress(event.progress.output_tokens)
        raise LaceError(Reason.SERVICE_UNAVAILABLE, "The model gateway ended the call without a word.", retryable=True)


def _counted(answer: llm_gateway_pb2.CountTokensResponse | llm_gateway_pb2.TokenCount) -> PromptTokens:
    return PromptTokens(answer.tokens, answer.limit_tokens, wire_json.to_python(answer).get("count_method", ""))


def _own_settings(settings: Mapping[str, Any]) -> str:
    """What calls depend on, as JSON."""
    return _settings_of(settings, ("llm.", "events."))


def _settings_of(settings: Mapping[str, Any], groups: tuple[str, ...]) -> str:
    own = {key: value for key, value in settings.items() if key.startswith(groups)}
    return orjson.dumps(own, option=orjson.OPT_SORT_KEYS).decode()


def _answer(settled: llm_gateway_pb2.GenerateResponse) -> ModelAnswer:
    call = wire_json.to_python(settled.call)
    return ModelAnswer(settled.output, call, settled.prompt_uri, settled.output_uri, settled.redaction)


class BlobSnapshots:
    """Snapshots and large results in the blob store; see app.ports.Snapshots."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def put_snapshot(self, tenant_id: str, artifact_id: str, revision_id: str, data: bytes) -> tuple[str, str]:
        """Keep a revision's snapshot; (uri, SHA-256 of its bytes)."""
        key = snapshot_key(tenant_id, artifact_id, revision_id)
        ref = await self._blobs.put("lace-artifacts", key, data, "application/json")
        return ref.uri, ref.sha256

    async def put_result(self, tenant_id: str, run_id: str, sha256: str, data: bytes) -> str:
        """Keep a large step result under its hash; its uri."""
        key = f"{tenant_id}/{run_id}/results/{sha256}.json"
        return (await self._blobs.put("lace-replay", key, data, "application/json")).uri

    async def get(self, uri: str, sha256: str) -> bytes:
        """What is kept there; raises LaceError BLOB_NOT_FOUND or BLOB_CORRUPT."""
        return await self._blobs.get(uri, sha256)


def source_of(source: ingest_pb2.Source) -> Source:
    """A source as a document names it."""
    return Source(
        source_id=source.source_id,
        version=source.sha256,
        filename=source.filename,
        title=source.title,
        media_type=source.media_type,
        page_count=source.page_count,
        labels=tuple(source.labels),
    )


def _info(source: ingest_pb2.Source, sections: Sequence[ingest_pb2.OutlineSection] = ()) -> SourceInfo:
    outline = SourceOutline(
        source_id=source.source_id,
        filename=source.filename,
        title=source.title,
        sections=tuple(
            SourceSection(heading_path=tuple(s.heading_path), words=s.words, tables=s.tables, lead=s.lead)
            for s in sections
        ),
    )
    return SourceInfo(
        source=source_of(source),
        state=wire_json.to_python(source).get("state", ""),
        error_code=source.error_code,
        error_message=source.error_message,
        outline=outline,
    )


def _unit(unit: ingest_pb2.Unit, source: ingest_pb2.Source) -> Unit:
    table = None
    if unit.HasField("table"):
        rows = tuple(tuple(row.cells) for row in unit.table.rows)
        table = UnitTable(caption=unit.table.caption, header=tuple(unit.table.header), rows=rows)
    return Unit(
        unit_id=unit.unit_id,
        source_id=unit.source_id,
        source_version=source.sha256,
        extraction=source.extraction,
        filename=source.filename,
        kind=wire_json.to_python(unit)["kind"],
        text=unit.text,
        order=unit.order,
        heading_path=tuple(unit.heading_path),
        page=unit.page,
        spans=tuple((span.start, span.end) for span in unit.spans),
        table=table,
        language=unit.language,
    )
