"""The client: one method for each thing the API does; messages are those of the contract."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import orjson
from google.protobuf.message import Message

from lace.common.v1 import event_pb2
from lace.compiler.v1 import compiler_pb2
from lace.control.v1 import control_pb2
from lace.ingest.v1 import ingest_pb2
from lace.llm_gateway.v1 import llm_gateway_pb2
from lace.provenance.v1 import provenance_pb2
from lace.runs.v1 import artifacts_pb2, runs_pb2
from lace_client.events import watch
from lace_client.transport import Transport, corrupt
from lace_proto.json import from_json, from_python

M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Rejected:
    """A file that was not taken, and why."""

    filename: str
    error_code: str
    message: str


@dataclass(frozen=True)
class Ingestion:
    """What came of an upload: the run that reads the sources, the sources, and the files that were not taken."""

    run_id: str
    sources: tuple[ingest_pb2.Source, ...]
    rejected: tuple[Rejected, ...]


class LaceClient:
    """A client of the API at `url`, for the holder of a token; close it, or use it in a `with` block.

    Every method raises LaceApiError, a LaceError with the API's code. Mutations make an Idempotency-Key of their
    own and repeat it when they try again; pass `key` to choose one.
    """

    def __init__(
        self, url: str, token: str, *, timeout_s: float = 60.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._transport = Transport(self.url, token, timeout_s=timeout_s, transport=transport)

    def __enter__(self) -> LaceClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._transport.close()

    # -- sources --------------------------------------------------------------------------------------------------

    def ingest(self, paths: Sequence[Path], *, labels: Sequence[str] = (), key: str | None = None) -> Ingestion:
        """Upload files; a run reads them (`watch_run` it). Files go up in pieces, whatever their size."""
        with contextlib.ExitStack() as stack:

            def parts() -> list[tuple[str, tuple[str, Any]]]:
                return [("files", (path.name, stack.enter_context(path.open("rb")))) for path in paths]

            fields = {"labels": list(labels)} if labels else {}
            answer = orjson.loads(self._transport.upload("/v1/sources:ingest", parts, fields, key))
        return Ingestion(
            run_id=answer["run_id"],
            sources=tuple(from_python(ingest_pb2.Source, source, tolerant=True) for source in answer["sources"]),
            rejected=tuple(_rejected(item) for item in answer["rejected"]),
        )

    def get_source(self, source_id: str) -> ingest_pb2.Source:
        """A source."""
        return self._get(ingest_pb2.Source, f"/v1/sources/{_segment(source_id)}")

    def list_sources(self, *, state: str = "") -> Iterator[ingest_pb2.Source]:
        """All sources, newest first."""
        for page in self._pages(ingest_pb2.ListSourcesResponse, "/v1/sources", {"state": state}):
            yield from page.sources

    # -- runs -----------------------------------------------------------------------------------------------------

    def start_run(
        self,
        pipeline_id: str,
        *,
        title: str = "",
        instructions: str = "",
        source_ids: Sequence[str] = (),
        artifact_id: str = "",
        targets: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
        language: str = "",
        key: str | None = None,
    ) -> runs_pb2.StartRunResponse:
        """Start a run of a pipeline: generate, outline or ingest."""
        body: dict[str, Any] = {
            "title": title,
            "instructions": instructions,
            "source_ids": list(source_ids),
            "artifact_id": artifact_id,
            "targets": list(targets),
            "language": language,
        }
        if settings:
            body["settings"] = dict(settings)
        return self._change(runs_pb2.StartRunResponse, "POST", f"/v1/runs/{_segment(pipeline_id)}", body, key=key)

    def start_compile(
        self,
        artifact_id: str,
        *,
        revision_id: str = "",
        targets: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> runs_pb2.StartRunResponse:
        """Compile a committed revision once more."""
        body: dict[str, Any] = {"artifact_id": artifact_id, "revision_id": revision_id, "targets": list(targets)}
        if settings:
            body["settings"] = dict(settings)
        return self._change(runs_pb2.StartRunResponse, "POST", "/v1/compile", body, key=key)

    def get_run(self, run_id: str) -> runs_pb2.Run:
        """A run."""
        return self._get(runs_pb2.Run, f"/v1/runs/{_segment(run_id)}")

    def list_runs(self, *, state: str = "") -> Iterator[runs_pb2.Run]:
        """All runs, newest first."""
        for page in self._pages(runs_pb2.ListRunsResponse, "/v1/runs", {"state": state}):
            yield from page.runs

    def list_steps(self, run_id: str) -> Iterator[runs_pb2.Step]:
        """The steps of a run in the order in which they began."""
        for page in self._pages(runs_pb2.ListStepsResponse, f"/v1/runs/{_segment(run_id)}/steps", {}):
            yield from page.steps

    def watch_run(self, run_id: str, *, after_event_id: str = "") -> Iterator[event_pb2.RunEvent]:
        """The events of a run from a cursor to its last, each once and in order; lost connections are resumed."""
        return watch(self._transport, f"/v1/runs/{_segment(run_id)}/stream", after_event_id)

    def pause_run(self, run_id: str, *, reason: str = "", key: str | None = None) -> runs_pb2.ControlRunResponse:
        """Pause a run at its next step boundary."""
        return self._control(run_id, "pause", {"reason": reason}, key)

    def resume_run(self, run_id: str, *, reason: str = "", key: str | None = None) -> runs_pb2.ControlRunResponse:
        """Let a paused run go on."""
        return self._control(run_id, "resume", {"reason": reason}, key)

    def restart_run(
        self, run_id: str, *, from_step_id: str = "", reason: str = "", key: str | None = None
    ) -> runs_pb2.ControlRunResponse:
        """Go back to a step of a live run, or start a finished one anew."""
        return self._control(run_id, "restart", {"from_step_id": from_step_id, "reason": reason}, key)

    def cancel_run(self, run_id: str, *, reason: str = "", key: str | None = None) -> runs_pb2.ControlRunResponse:
        """Cancel a run."""
        return self._control(run_id, "cancel", {"reason": reason}, key)

    # -- documents ------------------------------------------------------------------------------------------------

    def get_artifact(self, artifact_id: str, *, revision_id: str = "") -> artifacts_pb2.Artifact:
        """A document: its committed head, or another committed revision."""
        return self._get(artifacts_pb2.Artifact, f"/v1/artifacts/{_segment(artifact_id)}", {"revision_id": revision_id})

    def get_node(self, artifact_id: str, node_id: str) -> artifacts_pb2.GetNodeResponse:
        """A section with its blocks and evidence."""
        path = f"/v1/artifacts/{_segment(artifact_id)}/nodes/{_segment(node_id)}"
        return self._get(artifacts_pb2.GetNodeResponse, path)

    def list_compiled(self, artifact_id: str, *, revision_id: str = "") -> Iterator[compiler_pb2.Compiled]:
        """What was compiled of a document, newest first."""
        path, parameters = f"/v1/compiled/{_segment(artifact_id)}", {"revision_id": revision_id}
        for page in self._pages(compiler_pb2.ListCompiledResponse, path, parameters):
            yield from page.compiled

    def download(self, compiled: compiler_pb2.Compiled, path: Path) -> Path:
        """Save a compiled file, compared with its hash; it appears whole or not at all."""
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            digest = self._transport.download(compiled.download_url, part)
            if compiled.bundle_hash and digest != compiled.bundle_hash:
                raise corrupt(compiled.filename)
            return part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def run_provenance(self, run_id: str) -> Iterator[provenance_pb2.TransformationLog]:
        """The transformation logs of a run, in order."""
        for page in self._pages(provenance_pb2.GetRunProvenanceResponse, f"/v1/provenance/runs/{_segment(run_id)}", {}):
            yield from page.logs

    # -- providers and health -------------------------------------------------------------------------------------

    def list_providers(self) -> Sequence[llm_gateway_pb2.ProviderCapability]:
        """What providers and their models can do."""
        answer = self._get(llm_gateway_pb2.ListCapabilitiesResponse, "/v1/providers/capabilities")
        return list(answer.providers)

    def validate_provider(self, provider: str = "", model: str = "") -> llm_gateway_pb2.ValidateProviderResponse:
        """Try a provider with the settings in force; its answer says what is wrong."""
        body = {"provider": provider, "model": model}
        return self._change(llm_gateway_pb2.ValidateProviderResponse, "POST", "/v1/providers/validate", body)

    def health(self) -> Mapping[str, str]:
        """State of each service, once all are serving; raises SERVICE_UNAVAILABLE, naming those that are not."""
        states: dict[str, str] = orjson.loads(self._transport.get("/health/ready", tries=1))["services"]
        return states

    # -- settings and tokens ----------------------------------------------------------------------------------------

    def get_settings(self, *, tenant_id: str = "", user_id: str = "") -> control_pb2.Settings:
        """The settings of a tenant or user; of the system where neither is named."""
        return self._get(control_pb2.Settings, _settings_path(tenant_id, user_id))

    def put_settings(
        self,
        values: Mapping[str, Any],
        *,
        etag: str = "",
        tenant_id: str = "",
        user_id: str = "",
        key: str | None = None,
    ) -> control_pb2.Settings:
        """Replace the settings of a scope as a whole."""
        path, body = _settings_path(tenant_id, user_id), {"values": dict(values)}
        return self._change(control_pb2.Settings, "PUT", path, body, key=key, etag=etag)

    def resolve_settings(self, overrides: Mapping[str, Any] | None = None) -> control_pb2.ResolveSettingsResponse:
        """What every setting comes to for the caller, and which layer gave it."""
        body = {"overrides": dict(overrides or {})}
        return self._change(control_pb2.ResolveSettingsResponse, "POST", "/v1/settings:resolve", body)

    def list_setting_definitions(self) -> Sequence[control_pb2.SettingDefinition]:
        """Every setting there is."""
        answer = self._get(control_pb2.ListSettingDefinitionsResponse, "/v1/settings/definitions")
        return list(answer.definitions)

    def create_token(
        self,
        name: str,
        *,
        scopes: Sequence[str] = (),
        ttl: timedelta | None = None,
        principal_id: str = "",
        key: str | None = None,
    ) -> control_pb2.CreateTokenResponse:
        """Make a token; its secret is in this answer and nowhere else."""
        body: dict[str, Any] = {"name": name, "scopes": list(scopes), "principal_id": principal_id}
        if ttl is not None:
            body["ttl"] = f"{ttl.total_seconds():g}s"
        return self._change(control_pb2.CreateTokenResponse, "POST", "/v1/tokens", body, key=key)

    def list_tokens(self) -> Iterator[control_pb2.Token]:
        """The tokens of the tenant, without their secrets."""
        for page in self._pages(control_pb2.ListTokensResponse, "/v1/tokens", {}):
            yield from page.tokens

    def revoke_token(self, token_id: str, *, key: str | None = None) -> control_pb2.Token:
        """Revoke a token."""
        return self._change(control_pb2.Token, "POST", f"/v1/tokens/{_segment(token_id)}:revoke", {}, key=key)

    # -- shared -----------------------------------------------------------------------------------------------------

    def _control(self, run_id: str, verb: str, body: Mapping[str, Any], key: str | None) -> runs_pb2.ControlRunResponse:
        return self._change(runs_pb2.ControlRunResponse, "POST", f"/v1/runs/{_segment(run_id)}:{verb}", body, key=key)

    def _get(self, kind: type[M], path: str, parameters: Mapping[str, Any] | None = None) -> M:
        return from_json(kind, self._transport.get(path, parameters), tolerant=True)

    def _change(
        self, kind: type[M], method: str, path: str, body: Mapping[str, Any], *, key: str | None = None, etag: str = ""
    ) -> M:
        given = {name: value for name, value in body.items() if value not in ("", [])}
        return from_json(kind, self._transport.change(method, path, given, key=key, etag=etag), tolerant=True)

    def _pages(self, kind: type[M], path: str, parameters: Mapping[str, Any]) -> Iterator[M]:
        token = ""
        while True:
            page = self._get(kind, path, {**parameters, "page_token": token})
            yield page
            token = getattr(page, "next_page_token", "")
            if not token:
                return


def _settings_path(tenant_id: str, user_id: str) -> str:
    if tenant_id:
        return f"/v1/settings/tenants/{_segment(tenant_id)}"
    return f"/v1/settings/users/{_segment(user_id)}" if user_id else "/v1/settings/system"


def _segment(value: str) -> str:
    """An id as one segment of a path, whatever characters it has; one of dots alone would climb in the path."""
    if not value.strip("."):
        raise ValueError(f"{value!r} is not an id")
    return quote(value, safe="")


def _rejected(item: Mapping[str, str]) -> Rejected:
    return Rejected(item["filename"], item["error_code"], item["message"])
