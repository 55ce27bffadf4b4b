"""The event endpoints over real sockets: REST, SSE and WebSocket by two gateways before one runs service."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
import httpx
import orjson
import pytest
import websockets
from websockets.asyncio.client import connect

from lace.runs.v1 import runs_pb2, runs_pb2_grpc
from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_gateway.api.application import create_application, guarded
from lace_gateway.api.server import HttpServer
from lace_platform.auth import IdentityVerifier
from lace_platform.blobs import FolderBlobStore, UrlSigner
from lace_platform.clock import utc_now
from lace_platform.ids import new_id
from lace_platform.paging import PageTokens
from lace_platform.rpc import CallContext, RpcServer, acting_as, open_channel
from lace_runs.adapters.event_groups import groups_of
from lace_runs.adapters.events import PostgresNews
from lace_runs.adapters.services import BlobSnapshots
from lace_runs.adapters.wakeups import EventWakeups
from lace_runs.api.runs import RunServicer, RunTools
from lace_runs.app.events import EventTails
from lace_runs.app.ports import Caller
from lace_runs.domain.events import EventDraft, event_id_of
from tests.doubles import gateway_backend as doubles
from tests.doubles.runs_world import World

GOOD, OTHER, MEMBER, UNLABELLED = "lace_good", "lace_other", "lace_member", "lace_unlabelled"
READS = frozenset({"runs:read"})
ALL = READS | {"payloads:read"}
# As the release before this one wrote it, and as its clients read it.
OLD_PROGRESS = {"run_progress": {"steps_done": 1, "steps_total": 4, "node_title": "Cost", "remaining_ms": -1}}
NEW_PROGRESS = {"run_progress_v2": {"steps_done": 1, "steps_total": 4, "node": {"node_id": "", "title": "Cost"}}}


@dataclass
class Audit:
    """Records in memory, or cannot be reached."""

    entries: list[tuple[str, str, str]] = field(default_factory=list)
    is_away: bool = False

    async def record(self, caller: Caller, action: str, subject: str, details: Any) -> None:
        if self.is_away:
            raise LaceError(Reason.SERVICE_UNAVAILABLE, "control cannot be reached", retryable=True)
        self.entries.append((caller.principal_id, action, subject))


@dataclass
class Plane:
    """Two gateways in front of one runs service, and what is behind it."""

    world: World
    urls: list[str]
    audit: Audit
    blobs: Path
    runs: grpc.aio.Channel
    signed: dict[str, str]

    async def get(self, path: str, token: str = GOOD, *, gateway: int = 0, **query: Any) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=self.urls[gateway], headers=headers, trust_env=False, timeout=30) as http:
            answer = await http.get(path, params=query)
        return answer.status_code, answer.json() if answer.content else None

    async def sse(self, run_id: str, gateway: int = 0, **query: Any) -> list[Any]:
        """All events of a stream, to its end."""
        async with httpx.AsyncClient(base_url=self.urls[gateway], timeout=20, trust_env=False) as http:
            headers = {"authorization": f"Bearer {GOOD}"}
            async with http.stream("GET", f"/v1/runs/{run_id}/stream", params=query, headers=headers) as answer:
                assert answer.status_code == 200, await answer.aread()
                return [json.loads(line[6:]) async for line in answer.aiter_lines() if line.startswith("data: ")]

    async def websocket(self, run_id: str, gateway: int = 1, query: str = "", token: str = GOOD) -> list[Any]:
        address = f"{self.urls[gateway].replace('http', 'ws')}/v1/runs/{run_id}/stream{query}"
        headers = {"authorization": f"Bearer {token}"}
        async with connect(address, additional_headers=headers, proxy=None) as socket:
            told = [json.loads(text) async for text in socket]
        assert socket.close_code == 1000
        return [frame["data"] for frame in told if frame["event"] != "heartbeat"]

    async def watch(self, run_id: str, **more: Any) -> list[Any]:
        """All events by gRPC server streaming, without a gateway."""
        stub = runs_pb2_grpc.RunServiceStub(self.runs)
        call = CallContext(None, "req_watch", "cor_watch", signed_identity=self.signed[GOOD])
        with acting_as(call):
            answers = stub.WatchRun(runs_pb2.WatchRunRequest(run_id=run_id, **more))
            return [event async for answer in answers for event in answer.events]


@pytest.fixture
async def plane(world: World, tmp_path: Path) -> AsyncIterator[Plane]:
    """The world's runs behind a real server, and two gateways that know of each other nothing."""
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(doubles.running_backend())
        own: dict[str, Any] = {"tenant_id": world.tenant_id}
        backend.auth.tokens = {
            GOOD: replace(doubles.identity(scopes=ALL), labels=frozenset({"secret"}), **own),
            MEMBER: replace(doubles.identity(scopes=READS, token_id="tok_m"), **own),
            UNLABELLED: replace(doubles.identity(scopes=ALL, token_id="tok_u"), **own),
            OTHER: replace(doubles.identity(scopes=ALL, token_id="tok_o"), tenant_id=new_id("ten")),
        }
        store = FolderBlobStore(tmp_path, UrlSigner("secret"))
        audit = Audit()
        port = await stack.enter_async_context(_served(world, store, audit, backend.verifier))
        channel = open_channel(f"127.0.0.1:{port}")
        stack.push_async_callback(channel.close)
        backend.channels = {**backend.channels, "runs": channel}
        urls = [await stack.enter_async_context(_gateway(backend, store)) for _ in range(2)]
        signed = {token: backend.auth._signer.sign(known) for token, known in backend.auth.tokens.items()}
        yield Plane(world, urls, audit, tmp_path, channel, signed)


@asynccontextmanager
async def _served(world: World, store: FolderBlobStore, audit: Audit, verifier: IdentityVerifier) -> AsyncIterator[int]:
    server = RpcServer("runs", verifier=verifier)
    tails = EventTails(world.open, PostgresNews(world.system), EventWakeups(world.listener))
    settings: Any = None  # no run is started through this service
    tools = RunTools(
        open=world.open, settings=settings, sources=world.sources, audit=audit, tails=tails,
        pages=PageTokens("secret"), snapshots=BlobSnapshots(store), draining=server.draining,
    )  # fmt: skip
    server.add(runs_pb2_grpc.add_RunServiceServicer_to_server, RunServicer(tools))
    following = asyncio.create_task(tails.run())
    try:
        yield await server.start("127.0.0.1:0")
    finally:
        await server.stop(0.2)
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


@asynccontextmanager
async def _gateway(backend: Any, store: FolderBlobStore) -> AsyncIterator[str]:
    surroundings = doubles.surroundings_of(backend, store)
    server = HttpServer(guarded(create_application(surroundings), surroundings), before_stop=surroundings.feeds.drain)
    port = await server.start("127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.stop()


@asynccontextmanager
async def _worker_process(postgres: Any, tenant_id: str) -> AsyncIterator[None]:
    """A worker that shares nothing with this process but the database."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.doubles.run_worker", postgres.admin_dsn, postgres.role_secret, tenant_id,
        cwd=Path(__file__).parents[3], stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(20):
            while b"ready" not in (line := await process.stdout.readline()):
                assert line, (await process.stderr.read())[-2000:]
        draining = [asyncio.create_task(stream.read()) for stream in (process.stdout, process.stderr)]
        yield
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.gather(*draining)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.slow
async def test_subscribers_of_every_gateway_see_every_event_of_a_run_that_another_process_works(
    plane: Plane, postgres: Any
) -> None:
    run = await plane.world.start("generate", title="The bridge")
    first = event_id_of(run.run_id, 1)
    early = [
        asyncio.create_task(plane.sse(run.run_id, 0)),
        asyncio.create_task(plane.sse(run.run_id, 1)),
        asyncio.create_task(plane.websocket(run.run_id, 0)),
        asyncio.create_task(plane.websocket(run.run_id, 1)),
        asyncio.create_task(plane.sse(run.run_id, 1, after_event_id=first)),
    ]
    in_first_version = asyncio.create_task(plane.sse(run.run_id, 0, schema_version=1))
    watching = asyncio.create_task(plane.watch(run.run_id))
    async with _worker_process(postgres, plane.world.tenant_id):
        await plane.world.until(run.run_id, "running", "succeeded")
        late = await asyncio.gather(plane.sse(run.run_id, 0), plane.websocket(run.run_id, 1))
        seen = [*await asyncio.gather(*early), *late]
        watched, old = await watching, await in_first_version
    _, replayed = await plane.get(f"/v1/runs/{run.run_id}/events/replay", page_size=1000)
    whole = replayed["events"]
    assert replayed["end_of_stream"] is True
    assert [event["sequence"] for event in whole] == list(range(1, len(whole) + 1))
    assert (whole[0]["event_type"], whole[-1]["event_type"]) == ("pipeline.run.requested", "pipeline.run.completed")
    assert [event.event_id for event in watched] == [event["event_id"] for event in whole]
    for number, events in enumerate(seen):
        assert events == (whole[1:] if number == 4 else whole), number
    _, replayed = await plane.get(f"/v1/runs/{run.run_id}/events/replay", page_size=1000, schema_version=1)
    assert old == replayed["events"]
    assert {event["schema_version"] for event in old} == {1}


async def test_pages_and_replay_are_stable_and_end(plane: Plane) -> None:
    run_id, count = await _finished(plane.world)
    for path, cursor, following in (
        ("events", "page_token", "next_page_token"),
        ("events/replay", "after_event_id", "next_after_event_id"),
    ):
        found: list[int] = []
        query: dict[str, Any] = {}
        for turn in range(count):
            asked = f"/v1/runs/{run_id}/{path}"
            status, page = await plane.get(asked, gateway=turn % 2, page_size=7, **query)
            assert (status, page) == await plane.get(asked, gateway=(turn + 1) % 2, page_size=7, **query)
            found.extend(event["sequence"] for event in page["events"])
            if page.get("end_of_stream") or not page.get(following):
                break
            query = {cursor: page[following]}
        assert found == list(range(1, count + 1)), path


async def _finished(world: World) -> tuple[str, int]:
    run = await world.start("noop10")
    async with world.worker():
        await world.until(run.run_id, "succeeded")
    return run.run_id, len(await world.events(run.run_id))


async def test_a_run_of_another_tenant_is_not_there_nor_one_that_never_was(plane: Plane) -> None:
    run = await plane.world.start("noop10")
    for run_id, token in ((run.run_id, OTHER), (new_id("run"), GOOD)):
        for path in ("", "/events", "/events/replay", "/stream", "/events/evt_x_1/content"):
            status, problem = await plane.get(f"/v1/runs/{run_id}{path}", token)
            assert (status, problem["error_code"]) == (404, "RUN_NOT_FOUND"), path
    with pytest.raises(websockets.InvalidStatus) as refused:
        await plane.websocket(run.run_id, token=OTHER)
    assert refused.value.response.status_code == 404


async def test_a_cursor_that_is_no_event_of_the_run_is_refused(plane: Plane) -> None:
    run = await plane.world.start("noop10")
    own = run.run_id[4:]
    for asked in ("evt_other_1", f"evt_{own}_0x1", f"evt_{own}_9999", "nonsense"):
        for path in ("events/replay", "stream"):
            status, problem = await plane.get(f"/v1/runs/{run.run_id}/{path}", after_event_id=asked)
            assert (status, problem["error_code"]) == (400, "EVENT_CURSOR_INVALID"), (path, asked)
        with pytest.raises(LaceError) as refused:
            await plane.watch(run.run_id, after_event_id=asked)
        assert refused.value.reason is Reason.EVENT_CURSOR_INVALID


# -- versions -------------------------------------------------------------------------------------------------------


async def _written_by_the_release_before(world: World) -> str:
    """A run whose rows are what that release left: version 1, progress in its first shape, nothing in new columns."""
    run = await world.start("noop10")
    cancelled = {"command_id": "", "requested_by": "prn_test", "reason": "", "from_step_id": ""}
    rows: list[tuple[str, str, Any]] = [
        ("pipeline.run.progress", "running", OLD_PROGRESS),
        ("pipeline.run.cancelled", "cancelled", {"run_controlled": cancelled}),
    ]
    async with world.system.transaction() as tx:
        old = "UPDATE runs.event_groups SET schema_version = 1 WHERE run_id = :run_id"
        await tx.execute(old, {"run_id": run.run_id})
        for sequence, (event_type, status, payload) in enumerate(rows, 2):
            [group] = groups_of([EventDraft(event_type, payload, utc_now(), status)])
            await tx.execute(
                """INSERT INTO runs.event_groups
                     (tenant_id, run_id, last_sequence, progress_pct, schema_version, events)
                   VALUES (:tenant_id, :run_id, :sequence, 25, 1, CAST(:events AS json))""",
                {
                    "tenant_id": world.tenant_id, "run_id": run.run_id, "sequence": sequence,
                    "events": orjson.dumps(group["events"]).decode(),
                },
            )  # fmt: skip
        await tx.execute(
            "UPDATE runs.runs SET state = 'cancelled', next_sequence = 4 WHERE run_id = :run_id", {"run_id": run.run_id}
        )
        await tx.commit()
    return run.run_id


async def test_rows_of_the_release_before_are_served_by_every_endpoint_in_either_version(plane: Plane) -> None:
    run_id = await _written_by_the_release_before(plane.world)
    for version in (None, 1, 2):
        await _is_served_everywhere(plane, run_id, version)


async def _is_served_everywhere(plane: Plane, run_id: str, version: int | None) -> None:
    query: dict[str, Any] = {} if version is None else {"schema_version": version}
    text = "" if version is None else f"?schema_version={version}"
    answers = [
        (await plane.get(f"/v1/runs/{run_id}/events", **query))[1]["events"],
        (await plane.get(f"/v1/runs/{run_id}/events/replay", **query))[1]["events"],
        await plane.sse(run_id, **query),
        await plane.websocket(run_id, query=text),
    ]
    newest = version or 2
    for events in answers:
        assert [event["schema_version"] for event in events] == [newest] * 3
        assert events[1]["payload"] == (OLD_PROGRESS if newest == 1 else NEW_PROGRESS)
        assert [event["payload_schema_version"] for event in events] == [1, newest, 1]
        assert events == answers[0]
    by_grpc = await plane.watch(run_id, **query)
    assert [event.payload.WhichOneof("kind") for event in by_grpc][1] == next(iter(answers[0][1]["payload"]))


async def test_a_version_that_is_not_served_is_refused_before_anything_is_sent(plane: Plane) -> None:
    run = await plane.world.start("noop10")
    for version in ("3", "-1", "first", "9" * 20):
        status, problem = await plane.get(f"/v1/runs/{run.run_id}/stream", schema_version=version)
        assert (status, problem["error_code"]) == (400, "EVENT_SCHEMA_UNSUPPORTED"), version
        with pytest.raises(websockets.InvalidStatus) as refused:
            await plane.websocket(run.run_id, query=f"?schema_version={version}")
        assert refused.value.response.status_code == 400
    for path in ("events", "events/replay"):
        status, problem = await plane.get(f"/v1/runs/{run.run_id}/{path}", schema_version=3)
        assert (status, problem["error_code"]) == (400, "EVENT_SCHEMA_UNSUPPORTED"), path


async def test_readers_of_two_versions_watch_one_run_side_by_side(plane: Plane) -> None:
    run_id = await _written_by_the_release_before(plane.world)
    new, old = await asyncio.gather(plane.sse(run_id, 0), plane.sse(run_id, 0, schema_version=1))
    assert (new[1]["payload"], old[1]["payload"]) == (NEW_PROGRESS, OLD_PROGRESS)


# -- whole contents -------------------------------------------------------------------------------------------------

WHOLE = b'[{"code":"SENTENCE_UNSUPPORTED","message":"Kept out: all of it, at length"}]'


@dataclass
class Content:
    """An event that shows a part, and the file with the whole."""

    run_id: str
    event_id: str
    file: Path

    @property
    def path(self) -> str:
        return f"/v1/runs/{self.run_id}/events/{self.event_id}/content"


@pytest.fixture
async def content(plane: Plane) -> Content:
    """Kept in the store, and told of by the run's second event; the run has a label."""
    run = await plane.world.start("noop10")
    store = BlobSnapshots(FolderBlobStore(plane.blobs, UrlSigner("secret")))
    uri = await store.put_result(plane.world.tenant_id, run.run_id, sha256_hex(WHOLE), WHOLE)
    async with plane.world.system.transaction() as tx:
        await tx.execute(
            """UPDATE runs.event_groups SET events = json_build_array(json_build_array(events #> '{0,0}',
                 events #> '{0,1}', events #> '{0,2}', events #> '{0,3}', events #> '{0,4}', events #> '{0,5}', 1,
                 'sample', CAST(:hash AS text), CAST(:uri AS text)))
               WHERE run_id = :run_id AND last_sequence = 1""",
            {"uri": uri, "hash": sha256_hex(WHOLE), "run_id": run.run_id},
        )
        await tx.execute("""UPDATE runs.runs SET labels = '["secret"]' WHERE run_id = :id""", {"id": run.run_id})
        await tx.commit()
    return Content(run.run_id, event_id_of(run.run_id, 1), plane.blobs / uri)


async def test_the_whole_is_given_to_the_byte_and_the_reading_is_on_record(plane: Plane, content: Content) -> None:
    status, told = await plane.get(content.path)
    assert (status, told["content"].encode()) == (200, WHOLE)
    assert (told["content_hash"], told["size_bytes"]) == (sha256_hex(WHOLE), len(WHOLE))
    assert (told["media_type"], told["event_type"]) == ("application/json", "pipeline.run.requested")
    assert plane.audit.entries == [("prn_a", "event.content.read", f"runs/{content.run_id}/events/{content.event_id}")]


async def test_it_takes_the_scope_and_the_labels_of_the_run(plane: Plane, content: Content) -> None:
    for token in (MEMBER, UNLABELLED):
        status, problem = await plane.get(content.path, token)
        assert (status, problem["error_code"]) == (403, "PERMISSION_DENIED"), token
        status, page = await plane.get(f"/v1/runs/{content.run_id}/events", token)
        assert (status, len(page["events"])) == (200, 1), token
    assert plane.audit.entries == []


async def test_what_cannot_be_recorded_is_not_given(plane: Plane, content: Content) -> None:
    plane.audit.is_away = True
    status, problem = await plane.get(content.path)
    assert (status, problem["error_code"]) == (503, "SERVICE_UNAVAILABLE")


async def test_an_altered_file_is_found_out(plane: Plane, content: Content) -> None:
    content.file.chmod(0o644)
    content.file.write_bytes(WHOLE.replace(b"all of it", b"none of it"))
    status, problem = await plane.get(content.path)
    assert (status, problem["error_code"]) == (500, "BLOB_CORRUPT")


async def test_a_missing_file_is_said_to_be_missing_and_nothing_else_is_touched(plane: Plane, content: Content) -> None:
    content.file.unlink()
    status, problem = await plane.get(content.path)
    assert (status, problem["error_code"]) == (404, "BLOB_NOT_FOUND")
    status, page = await plane.get(f"/v1/runs/{content.run_id}/events")
    assert (status, page["events"][0]["content_hash"]) == (200, sha256_hex(WHOLE))
    async with plane.world.worker():
        assert (await plane.world.until(content.run_id, "succeeded", "failed")).state.value == "succeeded"


async def test_there_is_no_content_where_there_is_no_event_or_no_more_to_show(plane: Plane) -> None:
    run = await plane.world.start("noop10")
    own = run.run_id[4:]
    for event_id, code in (
        (f"evt_{own}_99", "EVENT_NOT_FOUND"),
        ("evt_other_1", "EVENT_NOT_FOUND"),
        (f"evt_{own}_1", "EVENT_CONTENT_NOT_FOUND"),
    ):
        status, problem = await plane.get(f"/v1/runs/{run.run_id}/events/{event_id}/content")
        assert (status, problem["error_code"]) == (404, code), event_id
