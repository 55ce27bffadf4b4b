"""The provenance service as it runs: logs come over the bus, and are read over gRPC."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import orjson
import pytest
from sqlalchemy.exc import ProgrammingError

from lace.provenance.v1 import provenance_pb2 as wire
from lace.provenance.v1 import provenance_pb2_grpc as stubs
from lace_core.errors import LaceError, Reason
from lace_core.ids import derive
from lace_platform.auth import Identity, IdentitySigner, IdentityVerifier, generate_private_key
from lace_platform.blobs import FolderBlobStore, UrlSigner
from lace_platform.bus import Envelope
from lace_platform.bus.memory import MemoryBus
from lace_platform.clock import utc_now
from lace_platform.config import load_process_config
from lace_platform.host import Platform
from lace_platform.ids import new_id
from lace_platform.rpc import CallContext, acting_as, open_channel
from lace_proto.json import from_python, to_json
from lace_provenance.bootstrap import serve

_NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_DEAD = "provenance.logged.dlq"
_WITHOUT_ZONE = {"started_at": "2026-11-21T12:00:00", "ended_at": "2026-11-21T12:00:00"}
_WHOLE = {"id": "tlg_1", "stage": "s", "agent": "a", "started_at": "2026-11-21T12:00:00Z"}
_UNREADABLE: tuple[dict[str, Any], ...] = (
    {"common": {}, "logs": [{"id": "tlg_1"}]},
    {"common": [], "logs": [{"id": "tlg_1"}]},
    {"logs": 5},
    {"logs": ["tlg_1"]},
    {"logs": [_WHOLE | _WITHOUT_ZONE]},
    {"logs": [_WHOLE | {"ended_at": _WHOLE["started_at"], "inputs": [{"uri": "u"}]}]},
    {"logs": [_WHOLE | {"ended_at": _WHOLE["started_at"], "schema_version": 1 << 40}]},
)


@dataclass
class Service:
    """A running service, its bus, and a way to read from it."""

    bus: MemoryBus
    stub: Any
    signer: IdentitySigner

    async def send(self, *logs: wire.TransformationLog, tenant_id: str, event_id: str = "") -> None:
        """Publish the logs and wait until each is recorded or a dead letter."""
        envelopes = [_envelope(to_json(log), tenant_id, event_id) for log in logs]
        await self.bus.publish(envelopes)

    def reading(self, tenant_id: str, *labels: str, scopes: tuple[str, ...] = ("provenance:read",)) -> Any:
        now = utc_now()
        identity = Identity(
            principal_id="prn_1",
            tenant_id=tenant_id,
            roles=frozenset({"member"}),
            scopes=frozenset(scopes),
            labels=frozenset(labels),
            kind="user",
            run_id=None,
            token_id=None,
            issued_at=now,
            expires_at=now + timedelta(minutes=5),
            epoch=0,
        )
        return acting_as(CallContext(None, "req_1", "req_1", signed_identity=self.signer.sign(identity)))

    async def run(self, tenant_id: str, run_id: str, **fields: Any) -> Any:
        with self.reading(tenant_id):
            return await self.stub.GetRunProvenance(wire.GetRunProvenanceRequest(run_id=run_id, **fields))


@pytest.fixture(scope="session")
async def service(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    folder = tmp_path_factory.mktemp("provenance")
    environ = {
        "LACE_DATA_DIR": str(folder),
        "LACE_DSN": postgres.admin_dsn,
        "LACE_DB_ROLE_SECRET": postgres.role_secret,
        "LACE_ADDRESSES": f"provenance={address}",
    }
    config = load_process_config(None, environ)
    signer, verifier, bus = IdentitySigner(generate_private_key()), IdentityVerifier(), MemoryBus()
    verifier.update_keys({signer.key_id: signer.public_key_pem})
    blobs = FolderBlobStore(folder / "blobs", UrlSigner(config.url_signing_secret))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(bus.close)
        await stack.enter_async_context(serve(config, Platform(config, blobs, bus, verifier)))
        channel = open_channel(address)
        stack.push_async_callback(channel.close)
        yield Service(bus, stubs.ProvenanceServiceStub(channel), signer)


def _log(tenant_id: str, run_id: str, number: int = 0, **fields: Any) -> wire.TransformationLog:
    ended_at = (_NOON + timedelta(minutes=number)).isoformat()
    return from_python(
        wire.TransformationLog,
        {
            "id": derive("tlg", tenant_id, run_id, str(number)),
            "tenant_id": tenant_id,
            "run_id": run_id,
            "stage": "write",
            "agent": "runs/1",
            "started_at": _NOON.isoformat(),
            "ended_at": ended_at,
            "inputs": [{"entity_id": f"{run_id}_{number}", "content_hash": "a" * 64, "uri": "u", "kind": "units"}],
            "outputs": [
                {"entity_id": f"{run_id}_{number + 1}", "content_hash": "b" * 64, "uri": "u", "kind": "revision"}
            ],
            **fields,
        },
    )


def _envelope(payload: bytes, tenant_id: str, event_id: str = "") -> Envelope:
    return Envelope(event_id or new_id("evt"), tenant_id, "provenance.logged", new_id("key"), payload)


async def _eventually(read: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(30):
        while True:
            try:
                found = await read()
                if holds(found):
                    return found
            except LaceError as error:
                if error.reason is not Reason.PROVENANCE_NOT_FOUND:
                    raise
            await asyncio.sleep(0.01)


async def test_a_runs_logs_arrive_and_are_read_in_pages(service: Service, tenant_id: str) -> None:
    logs = [_log(tenant_id, "run_a", number) for number in range(5)]
    await service.send(*logs[::-1], tenant_id=tenant_id)
    await _eventually(lambda: service.run(tenant_id, "run_a"), lambda page: len(page.logs) == 5)
    seen: list[Any] = []
    token = ""
    while True:
        page = await service.run(tenant_id, "run_a", page_size=2, page_token=token)
        assert page.run_id == "run_a"
        assert len(page.logs) <= 2
        seen.extend(page.logs)
        token = page.next_page_token
        if not token:
            break
    assert [log.id for log in seen] == [log.id for log in logs]


async def test_a_page_token_is_good_for_its_run_only(service: Service, tenant_id: str) -> None:
    await service.send(*(_log(tenant_id, "run_a", number) for number in range(3)), tenant_id=tenant_id)
    page = await _eventually(
        lambda: service.run(tenant_id, "run_a", page_size=1), lambda page: bool(page.next_page_token)
    )
    for run_id, token in (("run_b", page.next_page_token), ("run_a", page.next_page_token[:-1] + "!")):
        with pytest.raises(LaceError) as refused:
            await service.run(tenant_id, run_id, page_token=token)
        assert refused.value.reason is Reason.PAGE_TOKEN_INVALID


async def test_a_redelivered_or_resent_log_changes_nothing(service: Service, tenant_id: str) -> None:
    log = _log(tenant_id, "run_a")
    event_id = new_id("evt")
    for sent_as in (event_id, event_id, new_id("evt")):
        await service.send(log, tenant_id=tenant_id, event_id=sent_as)
    await service.send(_log(tenant_id, "run_a", 1), tenant_id=tenant_id)
    page = await _eventually(lambda: service.run(tenant_id, "run_a"), lambda page: len(page.logs) >= 2)
    assert [log.id for log in page.logs] == [_log(tenant_id, "run_a", n).id for n in range(2)]
    assert page.logs[0].outputs == log.outputs


async def test_what_cannot_be_read_becomes_a_dead_letter_and_holds_nothing_up(service: Service, tenant_id: str) -> None:
    good = _log(tenant_id, "run_a")
    bad = {
        b"{": Reason.MALFORMED_JSON,
        b'{"id": "tlg_1", "colour": "red"}': Reason.UNKNOWN_FIELD,
        b'{"id": "tlg_1"}': Reason.INVALID_ARGUMENT,
        to_json(_log("ten_other", "run_a", 7)): Reason.INVALID_ARGUMENT,
        to_json(_log(tenant_id, "run_a", 8, inputs=[{"entity_id": ""}])): Reason.INVALID_ARGUMENT,
    }
    envelopes = [_envelope(payload, tenant_id) for payload in bad]
    await service.bus.publish([*envelopes, _envelope(to_json(good), tenant_id)])
    await _eventually(lambda: service.run(tenant_id, "run_a"), lambda page: len(page.logs) == 1)
    ids = [envelope.id for envelope in envelopes]

    async def dead() -> list[Envelope]:
        letters = {letter.id: letter for letter in service.bus.messages(_DEAD)}
        return [letters[id_] for id_ in ids if id_ in letters]

    letters = await _eventually(dead, lambda found: len(found) == len(bad))
    assert [letter.headers["dead-letter-reason"] for letter in letters] == [reason.value for reason in bad.values()]


def _segment(tenant_id: str, run_id: str, numbers: range, **common: Any) -> bytes:
    """Logs that have their run, agent and settings in common; what they rest on is left to be said for them."""
    settings = {"entity_id": "set_1", "content_hash": "c" * 64, "uri": "u", "kind": "settings"}
    own = []
    for number in numbers:
        log = orjson.loads(to_json(_log(tenant_id, run_id, number)))
        own.append({name: log[name] for name in ("id", "stage", "started_at", "ended_at", "inputs", "outputs")})
    shared = {"tenant_id": tenant_id, "run_id": run_id, "agent": "runs/1", "inputs": [settings], **common}
    return orjson.dumps({"logs": own, "common": shared})


async def test_the_logs_of_a_segment_are_recorded_one_by_one(service: Service, tenant_id: str) -> None:
    segment = _segment(tenant_id, "run_a", range(3), lineage={"status": "complete"})
    await service.bus.publish([_envelope(segment, tenant_id), _envelope(segment, tenant_id)])
    page = await _eventually(lambda: service.run(tenant_id, "run_a"), lambda page: len(page.logs) == 3)
    for number, log in enumerate(page.logs):
        assert log.id == _log(tenant_id, "run_a", number).id
        assert [entity.entity_id for entity in log.inputs] == ["set_1", f"run_a_{number}"]
        assert list(log.lineage.was_derived_from) == [f"run_a_{number}", "set_1"]
        assert (log.lineage.status, log.agent) == ("complete", "runs/1")


async def test_each_log_is_a_row_for_whoever_asks_in_sql(service: Service, database: Any, tenant_id: str) -> None:
    segment = _segment(tenant_id, "run_a", range(3), lineage={"status": "complete"})
    await service.bus.publish([_envelope(segment, tenant_id)])
    page = await _eventually(lambda: service.run(tenant_id, "run_a"), lambda page: len(page.logs) == 3)
    query = "SELECT * FROM provenance.transformation_logs ORDER BY ended_at"
    async with database("provenance").transaction(tenant_id) as tx:
        rows = await tx.fetch_all(query)
    assert [(row.id, row.run_id, row.agent) for row in rows] == [(log.id, log.run_id, log.agent) for log in page.logs]
    for row, log in zip(rows, page.logs, strict=True):
        assert row.ended_at == log.ended_at.ToDatetime(UTC)
        assert [entity["entity_id"] for entity in row.inputs_json] == [entity.entity_id for entity in log.inputs]
        assert row.lineage_json == {"status": "complete", "was_derived_from": list(log.lineage.was_derived_from)}
        assert (row.pedigree_json, row.genai_json, row.schema_version) == ({}, None, 1)


async def test_a_segment_that_cannot_be_recorded_takes_no_other_with_it(service: Service, tenant_id: str) -> None:
    good = [_envelope(_segment(tenant_id, f"run_{n}", range(2)), tenant_id) for n in range(6)]
    poison = _envelope(_segment(tenant_id, "run_p", range(2), correlation_id="\x00"), tenant_id)
    too_long = _envelope(_segment(tenant_id, f"run_{random.Random(1).randbytes(9000).hex()}", range(2)), tenant_id)
    contents = ({"common": {"tenant_id": tenant_id}} | content for content in _UNREADABLE)
    unreadable = [_envelope(orjson.dumps(content), tenant_id) for content in contents]
    bad = [poison, too_long, *unreadable]
    await service.bus.publish([*good[:3], *bad, *good[3:]])
    for n in range(6):
        await _eventually(partial(service.run, tenant_id, f"run_{n}"), lambda page: len(page.logs) == 2)

    async def dead() -> set[str]:
        return {letter.id for letter in service.bus.messages(_DEAD)} & {letter.id for letter in bad}

    await _eventually(dead, lambda found: len(found) == len(bad))
    reasons = {letter.id: letter.headers.get("dead-letter-reason") for letter in service.bus.messages(_DEAD)}
    assert {reasons[letter.id] for letter in (poison, *unreadable)} == {Reason.INVALID_ARGUMENT.value}


async def test_an_entity_is_shown_with_its_neighbours(service: Service, tenant_id: str) -> None:
    logs = [_log(tenant_id, "run_a", number) for number in range(4)]
    await service.send(*logs, tenant_id=tenant_id)
    await _eventually(lambda: service.run(tenant_id, "run_a"), lambda page: len(page.logs) == 4)
    with service.reading(tenant_id):
        found = await service.stub.GetEntityProvenance(wire.GetEntityProvenanceRequest(entity_id="run_a_2"))
    assert {(entity.entity_id, entity.kind) for entity in found.entity} == {
        ("run_a_2", "revision"),
        ("run_a_2", "units"),
    }
    assert [log.id for log in found.generated_by] == [logs[1].id]
    assert [log.id for log in found.used_by] == [logs[2].id]
    assert [entity.entity_id for entity in found.derived_from] == ["run_a_1", "run_a_0"]


async def test_what_is_not_recorded_is_not_found(service: Service, tenant_id: str) -> None:
    await service.send(_log(tenant_id, "run_a"), tenant_id=tenant_id)
    await _eventually(lambda: service.run(tenant_id, "run_a"), lambda page: len(page.logs) == 1)
    other = new_id("ten")
    with service.reading(other), pytest.raises(LaceError) as refused:
        await service.stub.GetRunProvenance(wire.GetRunProvenanceRequest(run_id="run_a"))
    assert refused.value.reason is Reason.PROVENANCE_NOT_FOUND
    with service.reading(other), pytest.raises(LaceError) as refused:
        await service.stub.GetEntityProvenance(wire.GetEntityProvenanceRequest(entity_id="run_a_0"))
    assert refused.value.reason is Reason.PROVENANCE_NOT_FOUND


async def test_labels_are_asked_for_at_every_read(service: Service, tenant_id: str) -> None:
    labelled = _log(tenant_id, "run_a", security={"abac_labels": ["secret"]})
    await service.send(labelled, tenant_id=tenant_id)
    request = wire.GetRunProvenanceRequest(run_id="run_a")

    async def read() -> Any:
        with service.reading(tenant_id, "secret", "other"):
            return await service.stub.GetRunProvenance(request)

    await _eventually(read, lambda page: len(page.logs) == 1)
    with service.reading(tenant_id, "other"), pytest.raises(LaceError) as refused:
        await service.stub.GetRunProvenance(request)
    assert refused.value.reason is Reason.PROVENANCE_NOT_FOUND


async def test_reading_needs_the_scope_and_a_tenant(service: Service, tenant_id: str) -> None:
    for reading in (service.reading(tenant_id, scopes=("runs:read",)), service.reading("")):
        with reading, pytest.raises(LaceError) as refused:
            await service.stub.GetRunProvenance(wire.GetRunProvenanceRequest(run_id="run_a"))
        assert refused.value.reason is Reason.PERMISSION_DENIED


@pytest.mark.parametrize("table", ["segments", "mentions", "transformation_logs"])
async def test_row_level_security_holds_where_a_query_forgets_the_tenant(
    service: Service, database: Any, tenant_id: str, table: str
) -> None:
    await service.send(_log(tenant_id, "run_a"), tenant_id=tenant_id)
    await _eventually(lambda: service.run(tenant_id, "run_a"), lambda page: len(page.logs) == 1)
    async with database("provenance").transaction(tenant_id) as tx:
        rows = await tx.fetch_all(f"SELECT DISTINCT tenant_id FROM provenance.{table}")
        assert [row.tenant_id for row in rows] == [tenant_id]
    async with database("provenance").transaction(new_id("ten")) as tx:
        assert not await tx.fetch_all(f"SELECT tenant_id FROM provenance.{table}")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE provenance.segments SET subject = 'x'",
        "DELETE FROM provenance.segments",
        "UPDATE provenance.mentions SET used = true",
        "DELETE FROM provenance.mentions",
    ],
)
async def test_the_record_cannot_be_rewritten(service: Service, database: Any, tenant_id: str, change: str) -> None:
    async with database("provenance").transaction(tenant_id) as tx:
        with pytest.raises(ProgrammingError, match="permission denied"):
            await tx.execute(change)


async def test_concurrent_logs_of_the_same_entities_are_all_recorded(service: Service, tenant_id: str) -> None:
    base = _log(tenant_id, "run_a")
    logs = []
    for number in range(12):
        log = wire.TransformationLog()
        log.CopyFrom(base)
        log.id = f"tlg_{number}"
        entities = list(base.inputs) + list(base.outputs)
        del log.inputs[:], log.outputs[:]
        log.inputs.extend(entities if number % 2 else entities[::-1])
        logs.append(log)
    await service.send(*logs, tenant_id=tenant_id)
    page = await _eventually(lambda: service.run(tenant_id, "run_a"), lambda page: len(page.logs) == 12)
    assert {log.id for log in page.logs} == {f"tlg_{number}" for number in range(12)}
