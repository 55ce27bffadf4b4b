"""Small services behind a real gRPC server, in place of the installation's, and a gateway in front of them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import message_factory

from lace.common.v1 import event_pb2
from lace.compiler.v1 import compiler_pb2, compiler_pb2_grpc
from lace.control.v1 import control_pb2, control_pb2_grpc, dead_letters_pb2, dead_letters_pb2_grpc
from lace.ingest.v1 import (
    bundles_pb2,
    bundles_pb2_grpc,
    diffs_pb2,
    diffs_pb2_grpc,
    facts_pb2,
    facts_pb2_grpc,
    ingest_pb2,
    ingest_pb2_grpc,
    intake_pb2,
    intake_pb2_grpc,
    retrieval_pb2,
    retrieval_pb2_grpc,
)
from lace.llm_gateway.v1 import (
    budgets_pb2,
    budgets_pb2_grpc,
    llm_gateway_pb2,
    llm_gateway_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
    templates_pb2,
    templates_pb2_grpc,
)
from lace.provenance.v1 import provenance_pb2, provenance_pb2_grpc
from lace.runs.v1 import (
    artifacts_pb2,
    artifacts_pb2_grpc,
    evaluations_pb2,
    evaluations_pb2_grpc,
    history_pb2,
    history_pb2_grpc,
    paragraphs_pb2,
    paragraphs_pb2_grpc,
    policies_pb2,
    policies_pb2_grpc,
    publications_pb2,
    publications_pb2_grpc,
    reviews_pb2,
    reviews_pb2_grpc,
    runs_pb2,
    runs_pb2_grpc,
    suites_pb2,
    suites_pb2_grpc,
)
from lace_core.errors import LaceError, Reason
from lace_core.ir import Artifact
from lace_core.merge_patch import merge_patch
from lace_core.settings import resolve
from lace_gateway.adapters.control_identities import ControlIdentities
from lace_gateway.adapters.run_events import RpcEventLog
from lace_gateway.adapters.service_health import ServiceHealth
from lace_gateway.adapters.source_uploads import RpcSources
from lace_gateway.api.application import Surroundings, create_application, guarded
from lace_gateway.api.openapi.example_values import example_of
from lace_gateway.api.server import HttpServer
from lace_gateway.app.authenticate import Authenticator
from lace_gateway.app.watch import RunFeeds
from lace_gateway.domain.settings import GatewaySettings
from lace_platform.auth import Identity, IdentitySigner, IdentityVerifier, generate_private_key, require_identity
from lace_platform.blobs.folder import FolderBlobStore
from lace_platform.blobs.signing import UrlSigner
from lace_platform.rpc import CallContext, RpcServer, current_call, open_channel
from lace_proto.json import from_python, parse
from tests.doubles.model_services import Generation, Measuring, Providers

SERVICES = ("control", "runs", "ingest", "llm_gateway", "compiler", "provenance")
SCOPES = frozenset(
    "artifacts:read artifacts:write runs:read runs:write sources:read sources:write settings:read settings:write "
    "provenance:read compile:write providers:read admin".split()
)
TENANT = "ten_a"
TOKEN = "lace_good"
SERVICE_SECRET = "service-secret"
SETTINGS = GatewaySettings.of(resolve([]).values)


def identity(
    *, token_id: str = "tok_good", scopes: frozenset[str] = SCOPES, life_s: float = 300, epoch: int = 0
) -> Identity:
    """An identity of the one tenant's administrator."""
    now = datetime.now(UTC)
    return Identity(
        principal_id="prn_a",
        tenant_id=TENANT,
        roles=frozenset({"tenant_admin"}),
        scopes=scopes,
        labels=frozenset(),
        kind="user",
        run_id=None,
        token_id=token_id,
        issued_at=now,
        expires_at=now + timedelta(seconds=life_s),
        epoch=epoch,
    )


def answering(servicer_class: type[Any], module: Any, service: str, *, but: dict[str, Any] | None = None) -> Any:
    """A servicer whose unary methods answer with the contract's example, and `but` as given."""
    methods: dict[str, Any] = {}
    for method in module.DESCRIPTOR.services_by_name[service].methods:
        if not (method.client_streaming or method.server_streaming):
            methods[method.name] = _example_answer(method)
    return type(f"Answering{service}", (servicer_class,), {**methods, **(but or {})})()


def _example_answer(method: Any) -> Any:
    output = message_factory.GetMessageClass(method.output_type)
    example = from_python(output, example_of(method.output_type))

    async def answer(self: Any, request: Any, context: Any) -> Any:
        return example

    return answer


class Auth(control_pb2_grpc.AuthServiceServicer):
    """Tokens by their secret; counts how often it is asked."""

    def __init__(self, verifier: IdentityVerifier) -> None:
        self._signer = IdentitySigner(generate_private_key())
        verifier.update_keys({self._signer.key_id: self._signer.public_key_pem})
        self._verifier = verifier
        self.forget()

    def forget(self) -> None:
        """Begins anew, as all doubles can."""
        self.tokens: dict[str, Identity] = {TOKEN: identity()}
        self.revoked: set[str] = set()
        self.asked = 0
        self.delay_s = 0.0

    async def Authenticate(self, request: Any, context: Any) -> control_pb2.AuthenticateResponse:
        self.asked += 1
        await asyncio.sleep(self.delay_s)
        if request.bearer in self.revoked:
            raise LaceError(Reason.TOKEN_REVOKED, "This token was revoked.")
        known = self.tokens.get(request.bearer)
        if known is None:
            raise LaceError(Reason.TOKEN_INVALID, "This token is not known.")
        answer = control_pb2.AuthenticateResponse(
            identity=self._signer.sign(known), principal_id=known.principal_id, tenant_id=known.tenant_id
        )
        answer.expires_at.FromDatetime(known.expires_at)
        return answer

    def add(self, secret: str, **changes: Any) -> None:
        """A further token."""
        self.tokens[secret] = identity(token_id=f"tok_{secret}", **changes)

    def revoke(self, secret: str) -> None:
        """Revokes the token here and, as control's push does, in everybody's verifier."""
        self.revoked.add(secret)
        self._verifier.revoke(epoch=self._verifier.epoch + 1, token_id=self.tokens[secret].token_id)

    async def IssueServiceIdentity(self, request: Any, context: Any) -> control_pb2.IssueServiceIdentityResponse:
        if request.secret != SERVICE_SECRET:
            raise LaceError(Reason.TOKEN_INVALID, "This is not the secret of the installation's services.")
        known = replace(identity(scopes=frozenset({"settings:read"})), kind="service", tenant_id="", token_id=None)
        answer = control_pb2.IssueServiceIdentityResponse(identity=self._signer.sign(known))
        answer.expires_at.FromDatetime(known.expires_at)
        return answer

    async def ListTokens(self, request: Any, context: Any) -> control_pb2.ListTokensResponse:
        return control_pb2.ListTokensResponse(next_page_token=request.page_token)

    async def CreateToken(self, request: Any, context: Any) -> control_pb2.CreateTokenResponse:
        return control_pb2.CreateTokenResponse(token=control_pb2.Token(token_id="tok_new"), secret="lace_new")

    async def RevokeToken(self, request: Any, context: Any) -> control_pb2.Token:
        return control_pb2.Token(token_id=request.token_id)


class Settings(control_pb2_grpc.SettingsServiceServicer):
    """What holds for the system, told to services alone."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.values: dict[str, Any] = dict(resolve([]).values)

    async def ResolveSettings(self, request: Any, context: Any) -> control_pb2.ResolveSettingsResponse:
        if require_identity(current_call().identity).kind != "service":
            raise LaceError(Reason.PERMISSION_DENIED, "This double speaks to services.")
        return from_python(control_pb2.ResolveSettingsResponse, {"values": self.values})


class Runs(runs_pb2_grpc.RunServiceServicer):
    """Runs with their events in memory, as the runs service would keep them."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.events: dict[str, list[event_pb2.RunEvent]] = {}
        self.ended: set[str] = set()
        self.changed = asyncio.Event()
        self.calls: list[tuple[str, Any, CallContext]] = []
        self.watches = 0
        self.replays = 0
        self.fail_watches: list[LaceError] = []
        self.started: dict[str, tuple[bytes, str]] = {}
        self.fail_starts: list[LaceError] = []

    def emit(self, run_id: str, count: int = 1, *, last: bool = False) -> None:
        """Adds events to a run, and ends it where the last of them is its last."""
        events = self.events.setdefault(run_id, [])
        for _ in range(count):
            sequence = len(events) + 1
            events.append(
                event_pb2.RunEvent(
                    event_id=f"evt_{run_id}_{sequence}",
                    event_type="pipeline.step.completed",
                    sequence=sequence,
                    run_id=run_id,
                    tenant_id=TENANT,
                    status="running",
                )
            )
        if last:
            events[-1].event_type = "pipeline.run.completed"
            events[-1].status = "succeeded"
            self.ended.add(run_id)
        self.changed.set()
        self.changed = asyncio.Event()

    def _after(self, run_id: str, after_event_id: str) -> int:
        if run_id not in self.events:
            raise LaceError(Reason.RUN_NOT_FOUND, f"No run {run_id}.")
        if not after_event_id:
            return 0
        ids = [event.event_id for event in self.events[run_id]]
        if after_event_id not in ids:
            raise LaceError(Reason.EVENT_CURSOR_INVALID, f"{after_event_id} is not an event of this run.")
        return ids.index(after_event_id) + 1

    async def ReplayEvents(self, request: Any, context: Any) -> runs_pb2.ReplayEventsResponse:
        self.replays += 1
        start = self._after(request.run_id, request.after_event_id)
        events = self.events[request.run_id]
        page = events[start : start + (request.page_size or 100)]
        last = request.run_id in self.ended and start + len(page) == len(events)
        cursor = page[-1].event_id if page else request.after_event_id
        return runs_pb2.ReplayEventsResponse(events=page, next_after_event_id=cursor, end_of_stream=last)

    async def WatchRun(self, request: Any, context: Any) -> AsyncIterator[runs_pb2.WatchRunResponse]:
        self.watches += 1
        if self.fail_watches:
            raise self.fail_watches.pop(0)
        position = self._after(request.run_id, request.after_event_id)
        while True:
            changed = self.changed
            events = self.events[request.run_id]
            page, position = events[position : position + 50], min(position + 50, len(events))
            last = request.run_id in self.ended and position == len(events)
            if page or last:
                yield runs_pb2.WatchRunResponse(events=page, end_of_stream=last)
            if last:
                return
            if not page:
                await changed.wait()

    async def GetRun(self, request: Any, context: Any) -> runs_pb2.Run:
        self.calls.append(("GetRun", request, current_call()))
        if request.run_id == "run_missing":
            raise LaceError(Reason.RUN_NOT_FOUND, "No run run_missing.")
        if request.run_id == "run_broken":
            raise ZeroDivisionError("secret internals")
        if request.run_id == "run_slow":
            await asyncio.sleep(5)
        return runs_pb2.Run(run_id=request.run_id, state=runs_pb2.RUN_STATE_RUNNING)

    async def StartRun(self, request: Any, context: Any) -> runs_pb2.StartRunResponse:
        call = current_call()
        self.calls.append(("StartRun", request, call))
        if self.fail_starts:
            raise self.fail_starts.pop(0)
        if request.pipeline_id not in ("generate", "outline", "ingest"):
            raise LaceError(Reason.NOT_AVAILABLE_YET, f"The pipeline {request.pipeline_id} is not available yet.")
        body = request.SerializeToString(deterministic=True)
        known = self.started.get(call.idempotency_key or "")
        if known is None:
            known = self.started[call.idempotency_key or ""] = (body, f"run_{len(self.started) + 1}")
        if known[0] != body:
            raise LaceError(Reason.IDEMPOTENCY_KEY_REUSED, "This key was used with another body; see details.")
        return runs_pb2.StartRunResponse(run_id=known[1], artifact_id="art_1", state=runs_pb2.RUN_STATE_QUEUED)

    async def PauseRun(self, request: Any, context: Any) -> runs_pb2.ControlRunResponse:
        self.calls.append(("PauseRun", request, current_call()))
        return runs_pb2.ControlRunResponse(run_id=request.run_id, command_id="cmd_1")

    async def ListRuns(self, request: Any, context: Any) -> runs_pb2.ListRunsResponse:
        self.calls.append(("ListRuns", request, current_call()))
        return runs_pb2.ListRunsResponse()

    async def ListSteps(self, request: Any, context: Any) -> runs_pb2.ListStepsResponse:
        first = not request.page_token
        step = runs_pb2.Step(step_id="one" if first else "two")
        return runs_pb2.ListStepsResponse(steps=[step], next_page_token="more" if first else "")


class Artifacts(artifacts_pb2_grpc.ArtifactServiceServicer):
    """One artifact with an etag."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.version = 1

    async def CreateArtifact(self, request: Any, context: Any) -> artifacts_pb2.Artifact:
        return artifacts_pb2.Artifact(artifact_id="art_1", title=request.title, etag=f"v{self.version}")

    async def GetArtifact(self, request: Any, context: Any) -> artifacts_pb2.Artifact:
        return artifacts_pb2.Artifact(artifact_id=request.artifact_id, etag=f"v{self.version}")

    async def PatchArtifact(self, request: Any, context: Any) -> artifacts_pb2.PatchArtifactResponse:
        if request.etag and request.etag != f"v{self.version}":
            raise LaceError(Reason.ETAG_MISMATCH, "The thing changed since you read it; read it again.")
        self.version += 1
        return artifacts_pb2.PatchArtifactResponse(etag=f"v{self.version}")

    async def RollbackArtifact(self, request: Any, context: Any) -> artifacts_pb2.RollbackArtifactResponse:
        if request.etag and request.etag != f"v{self.version}":
            raise LaceError(Reason.ETAG_MISMATCH, "The thing changed since you read it; read it again.")
        if request.dry_run:
            return artifacts_pb2.RollbackArtifactResponse(revision_id=request.revision_id)
        return artifacts_pb2.RollbackArtifactResponse(revision_id=request.revision_id, run_id="run_1")


class Sources(ingest_pb2_grpc.SourceServiceServicer):
    """Takes documents and keeps their sizes; `limit` in bytes."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.limit = 1_000_000
        self.sizes: dict[str, int] = {}
        self.heads: list[ingest_pb2.UploadHead] = []
        self.broken_off = 0
        self.received = 0
        self.largest_chunk = 0

    async def UploadSource(self, request_iterator: Any, context: Any) -> ingest_pb2.Source:
        """A call that is cut off is cancelled, or ends like one that has sent all: both happen."""
        try:
            return await self._stored(request_iterator)
        except asyncio.CancelledError:
            self.broken_off += 1
            raise

    async def _stored(self, request_iterator: Any) -> ingest_pb2.Source:
        head: Any = None
        digest = hashlib.sha256()
        size, whole = 0, False
        async for piece in request_iterator:
            if piece.WhichOneof("piece") == "head":
                head = self._taken(piece.head)
                continue
            size += len(piece.chunk)
            self.received += len(piece.chunk)
            self.largest_chunk = max(self.largest_chunk, len(piece.chunk))
            digest.update(piece.chunk)
            whole = piece.WhichOneof("piece") == "end" and piece.end.size_bytes == size
            if size > self.limit:
                raise LaceError(Reason.SOURCE_TOO_LARGE, f"{head.filename} is larger than {self.limit} bytes.")
        if not whole:
            self.broken_off += 1
            raise LaceError(Reason.INVALID_ARGUMENT, "The upload broke off before its end.")
        self.sizes[head.filename] = size
        source_id = f"src_{digest.hexdigest()[:12]}"
        return ingest_pb2.Source(source_id=source_id, filename=head.filename, size_bytes=size)

    def _taken(self, head: ingest_pb2.UploadHead) -> ingest_pb2.UploadHead:
        if ".." in head.filename:
            raise LaceError(Reason.SOURCE_NAME_INVALID, "A file name may not contain '..'.")
        if not head.filename.endswith((".md", ".txt", ".pdf")):
            raise LaceError(Reason.SOURCE_FORMAT_UNSUPPORTED, f"{head.filename}: use md, txt, json, docx or pdf.")
        self.heads.append(head)
        return head

    async def GetSource(self, request: Any, context: Any) -> ingest_pb2.Source:
        return ingest_pb2.Source(source_id=request.source_id)


class Compiled(compiler_pb2_grpc.CompileServiceServicer):
    """Compiled files whose links go to the gateway's own blob store."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.files: list[compiler_pb2.Compiled] = []

    async def ListCompiled(self, request: Any, context: Any) -> compiler_pb2.ListCompiledResponse:
        return compiler_pb2.ListCompiledResponse(compiled=self.files)


@dataclass
class Backend:
    """The services behind the gateway."""

    verifier: IdentityVerifier
    auth: Auth
    runs: Runs
    artifacts: Artifacts
    sources: Sources
    compiled: Compiled
    settings: Settings
    generation: Generation
    measuring: Measuring
    server: RpcServer
    port: int = 0
    channels: dict[str, grpc.aio.Channel] = field(default_factory=dict)

    def forget(self) -> None:
        """Lets all services begin anew."""
        for double in (
            self.auth,
            self.runs,
            self.artifacts,
            self.sources,
            self.compiled,
            self.settings,
            self.generation,
            self.measuring,
        ):
            double.forget()


@dataclass
class Gateway:
    """A gateway that listens."""

    url: str
    backend: Backend
    surroundings: Surroundings
    server: HttpServer
    blobs: FolderBlobStore
    headers: dict[str, str] = field(default_factory=lambda: {"authorization": f"Bearer {TOKEN}"})


@asynccontextmanager
async def running_backend(*, answer_all: bool = False) -> AsyncIterator[Backend]:
    """All services in one gRPC server; with `answer_all` they give the contract's examples."""
    verifier = IdentityVerifier()
    server = RpcServer("doubles", verifier=verifier)
    # The generated classes are abstract to the checker alone; a method that is left out answers UNIMPLEMENTED.
    auth = Auth(verifier)  # type: ignore[abstract]
    runs, artifacts, sources = Runs(), Artifacts(), Sources()  # type: ignore[abstract]
    settings, compiled = Settings(), Compiled()  # type: ignore[abstract]
    generation, measuring = Generation(), Measuring()  # type: ignore[abstract]
    backend = Backend(verifier, auth, runs, artifacts, sources, compiled, settings, generation, measuring, server)
    if answer_all:
        _add_examples(server, auth, sources)
    else:
        server.add(control_pb2_grpc.add_AuthServiceServicer_to_server, auth)
        server.add(control_pb2_grpc.add_SettingsServiceServicer_to_server, settings)
        server.add(runs_pb2_grpc.add_RunServiceServicer_to_server, runs)
        server.add(artifacts_pb2_grpc.add_ArtifactServiceServicer_to_server, artifacts)
        server.add(ingest_pb2_grpc.add_SourceServiceServicer_to_server, sources)
        server.add(compiler_pb2_grpc.add_CompileServiceServicer_to_server, compiled)
        server.add(llm_gateway_pb2_grpc.add_GenerationServiceServicer_to_server, generation)
        server.add(llm_gateway_pb2_grpc.add_ProviderServiceServicer_to_server, Providers())  # type: ignore[abstract]
        server.add(models_pb2_grpc.add_ModelServiceServicer_to_server, measuring)
    backend.port = await server.start("127.0.0.1:0")
    channel = open_channel(f"127.0.0.1:{backend.port}")
    backend.channels = dict.fromkeys(SERVICES, channel)
    try:
        yield backend
    finally:
        await channel.close()
        await server.stop(0.2)


def _add_examples(server: RpcServer, auth: Auth, sources: Sources) -> None:
    async def authenticate(self: Any, request: Any, context: Any) -> Any:
        return await auth.Authenticate(request, context)

    async def upload(self: Any, request_iterator: Any, context: Any) -> Any:
        return await sources.UploadSource(request_iterator, context)

    async def merge_patch_artifact(self: Any, request: Any, context: Any) -> Any:
        merge_patch(Artifact(artifact_id=request.artifact_id, title=""), parse(request.patch), "key")
        return from_python(
            artifacts_pb2.PatchArtifactResponse, example_of(artifacts_pb2.PatchArtifactResponse.DESCRIPTOR)
        )

    but: dict[str, dict[str, Any]] = {
        "ArtifactService": {"MergePatchArtifact": merge_patch_artifact},
        "AuthService": {"Authenticate": authenticate},
        "SourceService": {"UploadSource": upload},
    }
    modules: list[tuple[Any, Any]] = [
        (control_pb2_grpc, control_pb2),
        (dead_letters_pb2_grpc, dead_letters_pb2),
        (runs_pb2_grpc, runs_pb2),
        (artifacts_pb2_grpc, artifacts_pb2),
        (history_pb2_grpc, history_pb2),
        (evaluations_pb2_grpc, evaluations_pb2),
        (paragraphs_pb2_grpc, paragraphs_pb2),
        (policies_pb2_grpc, policies_pb2),
        (publications_pb2_grpc, publications_pb2),
        (reviews_pb2_grpc, reviews_pb2),
        (suites_pb2_grpc, suites_pb2),
        (ingest_pb2_grpc, ingest_pb2),
        (diffs_pb2_grpc, diffs_pb2),
        (facts_pb2_grpc, facts_pb2),
        (bundles_pb2_grpc, bundles_pb2),
        (intake_pb2_grpc, intake_pb2),
        (retrieval_pb2_grpc, retrieval_pb2),
        (compiler_pb2_grpc, compiler_pb2),
        (llm_gateway_pb2_grpc, llm_gateway_pb2),
        (models_pb2_grpc, models_pb2),
        (templates_pb2_grpc, templates_pb2),
        (budgets_pb2_grpc, budgets_pb2),
        (provenance_pb2_grpc, provenance_pb2),
    ]
    for grpc_module, module in modules:
        for service in module.DESCRIPTOR.services_by_name:
            servicer_class = getattr(grpc_module, f"{service}Servicer")
            servicer = answering(servicer_class, module, service, but=but.get(service))
            server.add(getattr(grpc_module, f"add_{service}Servicer_to_server"), servicer)


def surroundings_of(backend: Backend, blobs: FolderBlobStore, **changes: Any) -> Surroundings:
    """The gateway's parts on these services."""
    channels = backend.channels
    feeds = RunFeeds(RpcEventLog(channels["runs"]), window_frames=changes.pop("window_frames", 512))
    backend.verifier.on_revoked = feeds.recheck
    found = Surroundings(
        channels=channels,
        authenticator=Authenticator(ControlIdentities(channels["control"], backend.verifier)),
        feeds=feeds,
        sources=RpcSources(channels["ingest"], channels["runs"], 1_900_000),
        blobs=blobs,
        health=ServiceHealth(channels),
        settings=lambda: SETTINGS,
        allowed_origins=("https://app.example.org",),
    )
    return replace(found, **changes)


@asynccontextmanager
async def running_gateway(folder: Path, **changes: Any) -> AsyncIterator[Gateway]:
    """A gateway on a free port, in front of services of its own."""
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(running_backend(answer_all=changes.pop("answer_all", False)))
        if "models" in changes:  # another model gateway than the double
            backend.channels["llm_gateway"] = changes.pop("models")
        blobs = FolderBlobStore(folder, UrlSigner("secret"))
        stalled_after_s = changes.pop("stalled_after_s", 60)
        surroundings = surroundings_of(backend, blobs, **changes)
        app = guarded(create_application(surroundings), surroundings)
        server = HttpServer(app, before_stop=surroundings.feeds.drain, stalled_after_s=stalled_after_s)
        port = await server.start("127.0.0.1", 0)
        stack.push_async_callback(server.stop)
        yield Gateway(f"http://127.0.0.1:{port}", backend, surroundings, server, blobs)
