"""The client: one method for each thing the API does; messages are those of the contract."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import httpx
import orjson
from google.protobuf.message import Message

from lace.common.v1 import event_pb2
from lace.compiler.v1 import compiler_pb2
from lace.control.v1 import control_pb2, dead_letters_pb2
from lace.ingest.v1 import ingest_pb2
from lace.llm_gateway.v1 import budgets_pb2, llm_gateway_pb2, templates_pb2
from lace.provenance.v1 import provenance_pb2
from lace.runs.v1 import artifacts_pb2, runs_pb2
from lace_client.bundles import Bundles
from lace_client.contexts import Contexts
from lace_client.diffs import Diffs
from lace_client.documents import Documents
from lace_client.evaluations import Evaluations
from lace_client.events import watch
from lace_client.facts import Facts
from lace_client.history import History
from lace_client.intake import Intake
from lace_client.models import Models
from lace_client.paragraphs import Paragraphs
from lace_client.policies import Policies
from lace_client.readings import Readings
from lace_client.retrieval import Retrieval
from lace_client.reviews import Reviews
from lace_client.suites import Suites
from lace_client.templates import Templates
from lace_client.transport import Transport, corrupt, segment
from lace_client.verdicts import Verdicts
from lace_proto.json import from_json, from_python

M = TypeVar("M", bound=Message)
_EVENTS_IN_A_PAGE = 500


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
        self.bundles = Bundles(self._transport)
        self.readings = Readings(self._transport)
        self.retrieval = Retrieval(self._transport)
        self.contexts = Contexts(self._transport)
        self.diffs = Diffs(self._transport)
        self.documents = Documents(self._transport)
        self.evaluations = Evaluations(self._transport)
        self.facts = Facts(self._transport)
        self.reviews = Reviews(self._transport)
        self.suites = Suites(self._transport)
        self.history = History(self._transport)
        self.verdicts = Verdicts(self._transport)
        self.intake = Intake(self._transport)
        self.models = Models(self._transport)
        self.paragraphs = Paragraphs(self._transport)
        self.policies = Policies(self._transport)
        self.templates = Templates(self._transport)

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

    def ingest(
        self,
        paths: Sequence[Path],
        *,
        labels: Sequence[str] = (),
        version_of: str = "",
        private: bool = False,
        key: str | None = None,
    ) -> Ingestion:
        """Upload files; a run reads them (`watch_run` it). Files go up in pieces, whatever their size.

        The first file is a newer version of the source `version_of`, where one is named; private ones are yours alone.
        """
        with contextlib.ExitStack() as stack:

            def parts() -> list[tuple[str, tuple[str, Any]]]:
                return [("files", (path.name, stack.enter_context(path.open("rb")))) for path in paths]

            asked = {
                "labels": list(labels), "version_of": [version_of] if version_of else [],
                "private": ["true"] if private else [],
            }  # fmt: skip
            fields = {name: values for name, values in asked.items() if values}
            answer = orjson.loads(self._transport.upload("/v1/sources:ingest", parts, fields, key))
        return Ingestion(
            run_id=answer["run_id"],
            sources=tuple(from_python(ingest_pb2.Source, source, tolerant=True) for source in answer["sources"]),
            rejected=tuple(_rejected(item) for item in answer["rejected"]),
        )

    def get_source(self, source_id: str) -> ingest_pb2.Source:
        """A source."""
        return self._transport.read(ingest_pb2.Source, f"/v1/sources/{segment(source_id)}")

    def list_sources(self, *, state: str = "") -> Iterator[ingest_pb2.Source]:
        """All sources, newest first."""
        for page in self._transport.pages(ingest_pb2.ListSourcesResponse, "/v1/sources", {"state": state}):
            yield from page.sources

    def get_outline(self, source_id: str) -> ingest_pb2.SourceOutline:
        """What a source speaks of, section by section, with the source itself."""
        return self._transport.read(ingest_pb2.SourceOutline, f"/v1/sources/{segment(source_id)}/outline")

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
        node_id: str = "",
        scope: str = "",
        base_revision_id: str = "",
        priority: int | None = None,
        bundle: str = "",
        bundle_version: int = 0,
        policy: str = "",
        key: str | None = None,
    ) -> runs_pb2.StartRunResponse:
        """Start a run of a pipeline: one that ships, a registered one, or auto, which chooses and says why.

        In place of `source_ids` a `bundle` may be named, by id or name; its newest version is meant where no other is.

        What changes a document (regenerate, expand, enrich, patch) takes `node_id` (the root where empty), `scope`
        ("node" or "subtree") and the revision that you read. Of your runs that wait those of the highest `priority`
        (0 to 9, 5 where None) are begun first. `policy` is name or name@version of one that extends the tenant's.
        """
        body: dict[str, Any] = {
            "title": title,
            "instructions": instructions,
            "source_ids": list(source_ids),
            "artifact_id": artifact_id,
            "targets": list(targets),
            "language": language,
            "node_id": node_id,
            "scope": scope,
            "base_revision_id": base_revision_id,
        }
        if priority is not None:
            body["priority"] = priority
        if bundle:
            body.update(bundle=bundle, bundle_version=bundle_version)
        if policy:
            body["policy"] = policy
        if settings:
            body["settings"] = dict(settings)
        return self._change(runs_pb2.StartRunResponse, "POST", f"/v1/runs/{segment(pipeline_id)}", body, key=key)

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

    def list_pipelines(self) -> Sequence[runs_pb2.Pipeline]:
        """The pipelines that there are, those that ship first."""
        return list(self._transport.read(runs_pb2.ListPipelinesResponse, "/v1/pipelines").pipelines)

    def get_pipeline(self, pipeline_id: str, *, version: int = 0) -> runs_pb2.Pipeline:
        """A pipeline; its newest version where none is named."""
        parameters = {"version": version} if version else {}
        return self._transport.read(runs_pb2.Pipeline, f"/v1/pipelines/{segment(pipeline_id)}", parameters)

    def create_pipeline(self, definition: Mapping[str, Any], *, key: str | None = None) -> runs_pb2.Pipeline:
        """Register a pipeline: pipeline_id, description, and base with without, or steps. Raises PIPELINE_INVALID."""
        return self._change(runs_pb2.Pipeline, "POST", "/v1/pipelines", definition, key=key)

    def get_run(self, run_id: str) -> runs_pb2.Run:
        """A run."""
        return self._transport.read(runs_pb2.Run, f"/v1/runs/{segment(run_id)}")

    def list_runs(self, *, state: str = "") -> Iterator[runs_pb2.Run]:
        """All runs, newest first."""
        for page in self._transport.pages(runs_pb2.ListRunsResponse, "/v1/runs", {"state": state}):
            yield from page.runs

    def list_steps(self, run_id: str) -> Iterator[runs_pb2.Step]:
        """The steps of a run in the order in which they began."""
        for page in self._transport.pages(runs_pb2.ListStepsResponse, f"/v1/runs/{segment(run_id)}/steps", {}):
            yield from page.steps

    def watch_run(
        self, run_id: str, *, after_event_id: str = "", schema_version: int = 0
    ) -> Iterator[event_pb2.RunEvent]:
        """The events of a run from a cursor to its last, each once and in order; lost connections are resumed.

        `schema_version` is the event schema that you understand, the newest where 0; `progress_of` reads them all.
        """
        return watch(self._transport, f"/v1/runs/{segment(run_id)}/stream", after_event_id, schema_version)

    def replay_events(
        self, run_id: str, *, after_event_id: str = "", schema_version: int = 0
    ) -> Iterator[event_pb2.RunEvent]:
        """The events that a run has so far, from a cursor on."""
        path, cursor = f"/v1/runs/{segment(run_id)}/events/replay", after_event_id
        while True:
            asked = {"after_event_id": cursor, "schema_version": schema_version, "page_size": _EVENTS_IN_A_PAGE}
            page = self._transport.read(runs_pb2.ReplayEventsResponse, path, asked)
            yield from page.events
            if page.end_of_stream or not page.events:
                return
            cursor = page.next_after_event_id

    def get_event_content(self, run_id: str, event_id: str) -> runs_pb2.EventContent:
        """The whole content of an event, compared with its hash; needs the scope payloads:read, and is audited."""
        path = f"/v1/runs/{segment(run_id)}/events/{segment(event_id)}/content"
        found = self._transport.read(runs_pb2.EventContent, path)
        if hashlib.sha256(found.content.encode()).hexdigest() != found.content_hash:
            raise corrupt(f"The content of {event_id}")
        return found

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

    def get_artifact(
        self, artifact_id: str, *, revision_id: str = "", ref: str = "", inline: Sequence[str] = ()
    ) -> artifacts_pb2.Artifact:
        """A document: its committed head, or another committed revision, by id or as a `ref` (branch or tag).

        `inline` names what its nodes are to hold: blocks, and evidence with its quotes.
        """
        path = f"/v1/artifacts/{segment(artifact_id)}"
        asked = {"revision_id": revision_id, "ref": ref, "inline": list(inline)}
        return self._transport.read(artifacts_pb2.Artifact, path, asked)

    def get_node(self, artifact_id: str, node_id: str) -> artifacts_pb2.GetNodeResponse:
        """A section with its blocks and evidence."""
        path = f"/v1/artifacts/{segment(artifact_id)}/nodes/{segment(node_id)}"
        return self._transport.read(artifacts_pb2.GetNodeResponse, path)

    def list_revisions(self, artifact_id: str) -> Iterator[artifacts_pb2.Revision]:
        """The revisions of a document, newest first."""
        path = f"/v1/artifacts/{segment(artifact_id)}/revisions"
        for page in self._transport.pages(artifacts_pb2.ListRevisionsResponse, path, {}):
            yield from page.revisions

    def rollback_artifact(
        self,
        artifact_id: str,
        revision_id: str,
        *,
        reason: str = "",
        dry_run: bool = False,
        etag: str = "",
        key: str | None = None,
    ) -> artifacts_pb2.RollbackArtifactResponse:
        """Bring an earlier revision back by a run, or see what that would change; `etag` names the head it is about."""
        body: dict[str, Any] = {"revision_id": revision_id, "reason": reason}
        if dry_run:
            body["dry_run"] = True
        path = f"/v1/artifacts/{segment(artifact_id)}:rollback"
        return self._change(artifacts_pb2.RollbackArtifactResponse, "POST", path, body, key=key, etag=etag)

    def verify_artifact(self, artifact_id: str, *, revision_id: str = "") -> artifacts_pb2.VerifyArtifactResponse:
        """Look for damage in a document's committed revisions, or in one."""
        path = f"/v1/artifacts/{segment(artifact_id)}:verify"
        return self._transport.read(artifacts_pb2.VerifyArtifactResponse, path, {"revision_id": revision_id})

    def verify_run(self, run_id: str) -> runs_pb2.VerifyRunResponse:
        """Look for damage in the results of a run's steps."""
        return self._transport.read(runs_pb2.VerifyRunResponse, f"/v1/runs/{segment(run_id)}:verify")

    def list_compiled(self, artifact_id: str, *, revision_id: str = "") -> Iterator[compiler_pb2.Compiled]:
        """What was compiled of a document, newest first."""
        path, parameters = f"/v1/compiled/{segment(artifact_id)}", {"revision_id": revision_id}
        for page in self._transport.pages(compiler_pb2.ListCompiledResponse, path, parameters):
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
        path = f"/v1/provenance/runs/{segment(run_id)}"
        for page in self._transport.pages(provenance_pb2.GetRunProvenanceResponse, path):
            yield from page.logs

    # -- providers and health -------------------------------------------------------------------------------------

    def list_providers(self) -> Sequence[llm_gateway_pb2.ProviderCapability]:
        """What providers and their models can do."""
        answer = self._transport.read(llm_gateway_pb2.ListCapabilitiesResponse, "/v1/providers/capabilities")
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
        return self._transport.read(control_pb2.Settings, _settings_path(tenant_id, user_id))

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
        answer = self._transport.read(control_pb2.ListSettingDefinitionsResponse, "/v1/settings/definitions")
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
        for page in self._transport.pages(control_pb2.ListTokensResponse, "/v1/tokens", {}):
            yield from page.tokens

    def revoke_token(self, token_id: str, *, key: str | None = None) -> control_pb2.Token:
        """Revoke a token."""
        return self._change(control_pb2.Token, "POST", f"/v1/tokens/{segment(token_id)}:revoke", {}, key=key)

    # -- dead letters ------------------------------------------------------------------------------------------------

    def list_dead_letters(
        self, *, topic: str = "", state: str = "", tenant_id: str = ""
    ) -> Iterator[dead_letters_pb2.DeadLetter]:
        """Messages that no consumer could handle, newest first, without payloads; states: dead, redriven, discarded."""
        parameters = {"topic": topic, "state": state, "tenant_id": tenant_id}
        given = {name: value for name, value in parameters.items() if value}
        for page in self._transport.pages(dead_letters_pb2.ListDeadLettersResponse, "/v1/dead-letters", given):
            yield from page.dead_letters

    def get_dead_letter(self, dead_letter_id: str) -> dead_letters_pb2.DeadLetter:
        """A dead letter with its payload and headers."""
        return self._transport.read(dead_letters_pb2.DeadLetter, f"/v1/dead-letters/{segment(dead_letter_id)}")

    def redrive_dead_letter(self, dead_letter_id: str, *, key: str | None = None) -> dead_letters_pb2.DeadLetter:
        """Send its message once more to the group that failed on it."""
        path = f"/v1/dead-letters/{segment(dead_letter_id)}:redrive"
        return self._change(dead_letters_pb2.DeadLetter, "POST", path, {}, key=key)

    def discard_dead_letter(
        self, dead_letter_id: str, *, reason: str = "", key: str | None = None
    ) -> dead_letters_pb2.DeadLetter:
        """Put it away; it is kept and not sent any more."""
        path = f"/v1/dead-letters/{segment(dead_letter_id)}:discard"
        return self._change(dead_letters_pb2.DeadLetter, "POST", path, {"reason": reason}, key=key)

    # -- batches of template runs ---------------------------------------------------------------------------------

    def run_batch(
        self,
        template_id: str,
        *,
        variables: Mapping[str, Any] | None = None,
        locales: Sequence[str] = (),
        modes: Sequence[str] = (),
        replicates: int = 1,
        drift_policy: str = "pause",
        key: str | None = None,
    ) -> templates_pb2.Batch:
        """Run a template for every locale, mode and replicate, in this order; the batch as it is taken on.

        Modes are none, preferred and required; the drift policy is pause, fail or continue.
        """
        body = {
            "variables": dict(variables or {}),
            "locales": list(locales),
            "modes": list(modes),
            "replicates": replicates,
            "drift_policy": drift_policy,
        }
        path = f"/v1/templates/{segment(template_id)}/batch-run"
        return self._change(templates_pb2.Batch, "POST", path, body, key=key)

    def get_batch(self, batch_id: str) -> templates_pb2.Batch:
        """A batch and how far it is."""
        return self._transport.read(templates_pb2.Batch, f"/v1/batches/{segment(batch_id)}")

    def list_batches(self, template_id: str, *, state: str = "") -> Iterator[templates_pb2.Batch]:
        """The batches of a template, newest first."""
        path = f"/v1/templates/{segment(template_id)}/batches"
        for page in self._transport.pages(templates_pb2.ListBatchesResponse, path, {"state": state}):
            yield from page.batches

    def pause_batch(self, batch_id: str, *, key: str | None = None) -> templates_pb2.Batch:
        """Begin no further run of a batch."""
        return self._batch(batch_id, "pause", {}, key)

    def resume_batch(
        self, batch_id: str, *, accept_drift: bool = False, retry_failed: bool = False, key: str | None = None
    ) -> templates_pb2.Batch:
        """Go on with a paused batch; `accept_drift` holds it to what the model is now."""
        return self._batch(batch_id, "resume", {"accept_drift": accept_drift, "retry_failed": retry_failed}, key)

    def cancel_batch(self, batch_id: str, *, key: str | None = None) -> templates_pb2.Batch:
        """End a batch."""
        return self._batch(batch_id, "cancel", {}, key)

    def list_versions(self, provider: str, *, force_refresh: bool = False) -> llm_gateway_pb2.ListVersionsResponse:
        """Which versions of its models a provider offers."""
        path = f"/v1/providers/{segment(provider)}/versions"
        query = {"force_refresh": "true"} if force_refresh else {}
        return self._transport.read(llm_gateway_pb2.ListVersionsResponse, path, query)

    def _batch(self, batch_id: str, verb: str, body: Mapping[str, Any], key: str | None) -> templates_pb2.Batch:
        path = f"/v1/batches/{segment(batch_id)}:{verb}"
        return self._change(templates_pb2.Batch, "POST", path, body, key=key)

    # -- shared -----------------------------------------------------------------------------------------------------

    # -- usage ----------------------------------------------------------------------------------------------------

    def usage(self, *, by: str = "day", from_day: str = "", to_day: str = "") -> Iterator[llm_gateway_pb2.Usage]:
        """What the tenant's model calls used and cost, summed by day, model, principal or run; days as 2026-11-21."""
        query = {"by": by, "from_day": from_day, "to_day": to_day}
        for page in self._transport.pages(llm_gateway_pb2.ListUsageResponse, "/v1/usage", query):
            yield from page.usage

    # -- quotas ---------------------------------------------------------------------------------------------------

    def get_quotas(self, tenant_id: str) -> control_pb2.Quotas:
        """What a tenant may use at once: your own, or any where you administer the system."""
        return self._transport.read(control_pb2.Quotas, f"/v1/tenants/{segment(tenant_id)}/quotas")

    def put_quotas(
        self,
        tenant_id: str,
        *,
        max_concurrent_runs: int = 0,
        max_queued_runs: int = 0,
        runs_per_minute: int = 0,
        budgets: Mapping[str, int] | None = None,
        key: str | None = None,
    ) -> control_pb2.Quotas:
        """Replace what a tenant may use at once and spend; 0 is no limit, and so is what is left out.

        `budgets` are the quotas of tokens and money by their names, such as tokens_per_day or
        principal_micro_usd_per_month. Limits of runs hold from the next start on, budgets within seconds.
        """
        body = {
            "max_concurrent_runs": max_concurrent_runs,
            "max_queued_runs": max_queued_runs,
            "runs_per_minute": runs_per_minute,
            **(budgets or {}),
        }
        return self._change(control_pb2.Quotas, "PUT", f"/v1/tenants/{segment(tenant_id)}/quotas", body, key=key)

    def get_budgets(self, tenant_id: str, principal_id: str = "") -> budgets_pb2.GetBudgetsResponse:
        """What a tenant and a principal (yourself, where none is named) spent today and this month."""
        path = f"/v1/tenants/{segment(tenant_id)}/budgets"
        return self._transport.read(budgets_pb2.GetBudgetsResponse, path, {"principal_id": principal_id})

    def _control(self, run_id: str, verb: str, body: Mapping[str, Any], key: str | None) -> runs_pb2.ControlRunResponse:
        return self._change(runs_pb2.ControlRunResponse, "POST", f"/v1/runs/{segment(run_id)}:{verb}", body, key=key)

    def _change(
        self, kind: type[M], method: str, path: str, body: Mapping[str, Any], *, key: str | None = None, etag: str = ""
    ) -> M:
        given = {name: value for name, value in body.items() if value not in ("", [])}
        return from_json(kind, self._transport.change(method, path, given, key=key, etag=etag), tolerant=True)


def _settings_path(tenant_id: str, user_id: str) -> str:
    if tenant_id:
        return f"/v1/settings/tenants/{segment(tenant_id)}"
    return f"/v1/settings/users/{segment(user_id)}" if user_id else "/v1/settings/system"


def _rejected(item: Mapping[str, str]) -> Rejected:
    return Rejected(item["filename"], item["error_code"], item["message"])
