"""The compiler as it runs: orders come over the bus, files go to the blob store, and what was made can be listed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy.exc import ProgrammingError

from lace.compiler.v1 import compiler_pb2 as wire
from lace.compiler.v1 import compiler_pb2_grpc as stubs
from lace.provenance.v1 import provenance_pb2
from lace_compiler.bootstrap import serve
from lace_core import ir
from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_core.merkle import ir_hash
from lace_platform.auth import Identity, IdentitySigner, IdentityVerifier, generate_private_key
from lace_platform.blobs import BlobRef, FolderBlobStore, UrlSigner
from lace_platform.bus import Envelope
from lace_platform.bus.memory import MemoryBus
from lace_platform.clock import utc_now
from lace_platform.config import load_process_config
from lace_platform.host import Platform
from lace_platform.ids import new_id
from lace_platform.rpc import CallContext, acting_as, open_channel
from lace_proto.json import from_json, to_json

KILN = ir.decode((Path(__file__).parents[2] / "golden" / "compiler" / "kiln.json").read_bytes())


@dataclass
class Service:
    """A running compiler and what is around it."""

    bus: MemoryBus
    blobs: FolderBlobStore
    stub: Any
    signer: IdentitySigner

    async def order(self, tenant_id: str, target: str, **changes: str) -> wire.CompileCompleted:
        """Sends an order for the kiln's document and waits for its answer."""
        envelope = await self.requested(tenant_id, target, **changes)
        await self.bus.publish([envelope])
        job_id = orjson.loads(envelope.payload)["job_id"]
        found: wire.CompileCompleted = await self.answer(
            wire.CompileCompleted, "compile.completed", lambda answer: answer.job_id == job_id
        )
        return found

    async def requested(self, tenant_id: str, target: str, **changes: str) -> Envelope:
        snapshot = await self.snapshot(tenant_id)
        message = wire.CompileRequested(
            job_id=new_id("job"),
            run_id=new_id("run"),
            tenant_id=tenant_id,
            artifact_id=KILN.artifact_id,
            revision_id="rev_1",
            ir_uri=snapshot.uri,
            ir_sha256=snapshot.sha256,
            ir_hash=ir_hash(KILN),
            target=target,
            settings_json='{"compile.toc_depth":2}',
        )
        for name, value in changes.items():
            setattr(message, name, value)
        headers = {"correlation_id": "req_7", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
        return Envelope(
            new_id("evt"), tenant_id, "compile.requested", message.job_id, to_json(message), headers=headers
        )

    async def snapshot(self, tenant_id: str) -> BlobRef:
        return await self.blobs.put("lace-artifacts", f"{tenant_id}/kiln.json", ir.encode(KILN), "application/json")

    async def answer(self, kind: Any, topic: str, holds: Callable[[Any], bool]) -> Any:
        async with asyncio.timeout(20):
            while True:
                for envelope in self.bus.messages(topic):
                    message = from_json(kind, envelope.payload)
                    if holds(message):
                        return message
                await asyncio.sleep(0.02)

    def caller(self, tenant_id: str, *scopes: str) -> AbstractContextManager[None]:
        now = utc_now()
        rights = (frozenset({"member"}), frozenset(scopes or {"artifacts:read"}), frozenset({"internal"}))
        identity = Identity("prn_1", tenant_id, *rights, "user", None, None, now, now + timedelta(minutes=5), 0)
        return acting_as(CallContext(None, "req_1", "req_1", signed_identity=self.signer.sign(identity)))

    async def listed(self, tenant_id: str, **fields: Any) -> wire.ListCompiledResponse:
        with self.caller(tenant_id):
            page: wire.ListCompiledResponse = await self.stub.ListCompiled(
                wire.ListCompiledRequest(artifact_id=KILN.artifact_id, **fields)
            )
        return page


@pytest.fixture(scope="module")
async def service(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    folder = tmp_path_factory.mktemp("compiler")
    environ = {
        "LACE_DATA_DIR": str(folder),
        "LACE_DSN": postgres.admin_dsn,
        "LACE_DB_ROLE_SECRET": postgres.role_secret,
        "LACE_ADDRESSES": f"compiler={address}",
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
        yield Service(bus, blobs, stubs.CompileServiceStub(channel), signer)


@pytest.mark.parametrize(
    ("target", "begins"), [("md", b"# The upper kiln"), ("docx", b"PK"), ("pdf", b"%PDF-1."), ("owl", b"@prefix ")]
)
async def test_an_order_becomes_a_file_that_can_be_downloaded(
    service: Service, tenant_id: str, target: str, begins: bytes
) -> None:
    answer = (await service.order(tenant_id, target)).compiled
    assert (answer.status, answer.error_code) == (wire.COMPILE_STATUS_SUCCEEDED, "")
    (listed,) = (await service.listed(tenant_id)).compiled
    url, listed.download_url = listed.download_url, ""
    assert listed == answer
    data = await service.blobs.get(service.blobs.verify_signed(url.rpartition("/")[2]).uri)
    assert data.startswith(begins)
    assert (sha256_hex(data), len(data)) == (answer.bundle_hash, answer.size_bytes)
    assert answer.filename.startswith("the-upper-kiln-at-aldra")


async def test_provenance_hears_of_it_and_its_hashes_are_those_of_the_stored_bytes(
    service: Service, tenant_id: str
) -> None:
    answer = await service.order(tenant_id, "md")
    log = await service.answer(
        provenance_pb2.TransformationLog, "provenance.logged", lambda log: log.run_id == answer.run_id
    )
    for entity in (*log.inputs, *log.outputs):
        assert sha256_hex(await service.blobs.get(entity.uri)) == entity.content_hash
    assert [entity.entity_id for entity in log.outputs] == [answer.compiled.compiled_id]
    assert (log.correlation_id, log.trace_id, log.parent_span_id) == ("req_7", "a" * 32, "b" * 16)
    assert list(log.security.abac_labels) == ["internal"]


async def test_a_second_delivery_makes_no_second_attempt(service: Service, tenant_id: str) -> None:
    envelope = await service.requested(tenant_id, "md")
    await service.bus.publish([envelope, envelope])
    other = await service.order(tenant_id, "owl")
    await service.bus.publish([envelope])
    assert other.compiled.attempt == 1
    later = await service.order(tenant_id, "md")
    assert later.compiled.attempt == 2, "one order before, however often it was delivered"
    assert len((await service.listed(tenant_id)).compiled) == 3


async def test_two_attempts_at_the_same_are_the_same_file(service: Service, tenant_id: str) -> None:
    first, second = [(await service.order(tenant_id, "docx")).compiled for _ in range(2)]
    assert (first.bundle_uri, first.bundle_hash) == (second.bundle_uri, second.bundle_hash)
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.compiled_id != second.compiled_id


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"target": "epub"}, "COMPILE_TARGET_UNKNOWN"),
        ({"ir_hash": "0" * 64}, "BLOB_CORRUPT"),
        ({"ir_sha256": "0" * 64}, "BLOB_CORRUPT"),
        ({"ir_uri": "lace-artifacts/nowhere/at/all.json"}, "BLOB_NOT_FOUND"),
        ({"settings_json": '{"compile.toc_depth":0}'}, "SETTING_INVALID"),
    ],
)
async def test_what_cannot_be_compiled_is_answered_and_recorded(
    service: Service, tenant_id: str, changes: dict[str, str], code: str
) -> None:
    answer = (await service.order(tenant_id, changes.pop("target", "md"), **changes)).compiled
    assert (answer.status, answer.error_code) == (wire.COMPILE_STATUS_FAILED, code)
    assert answer.error_message
    (listed,) = (await service.listed(tenant_id)).compiled
    assert (listed.error_code, listed.download_url, listed.bundle_uri) == (code, "", "")


async def test_a_document_that_breaks_its_rules_is_refused_with_the_rule(service: Service, tenant_id: str) -> None:
    broken = ir.Artifact(
        artifact_id="a", title="t", nodes=(ir.Node(node_id="n", parent_id="n", order_key="a", title="x"),)
    )
    ref = await service.blobs.put("lace-artifacts", f"{tenant_id}/broken.json", ir.encode(broken), "application/json")
    answer = await service.order(tenant_id, "pdf", ir_uri=ref.uri, ir_sha256=ref.sha256, ir_hash=ir_hash(broken))
    assert answer.compiled.error_code == "IR_INVALID"
    assert "n → n" in answer.compiled.error_message


async def test_what_is_no_order_becomes_a_dead_letter(service: Service, tenant_id: str) -> None:
    bad = [
        Envelope(new_id("evt"), tenant_id, "compile.requested", new_id("key"), b'{"colour": "red"}'),
        replace(await service.requested("ten_other", "md"), tenant_id=tenant_id),
    ]
    await service.bus.publish(bad)
    async with asyncio.timeout(10):
        while not {e.id for e in bad} <= {letter.id for letter in service.bus.messages("compile.requested.dlq")}:
            await asyncio.sleep(0.02)
    reasons = {e.id: e.headers["dead-letter-reason"] for e in service.bus.messages("compile.requested.dlq")}
    assert [reasons[e.id] for e in bad] == ["UNKNOWN_FIELD", "INVALID_ARGUMENT"]
    assert not (await service.listed(tenant_id)).compiled


async def test_a_list_is_read_in_pages(service: Service, tenant_id: str) -> None:
    made = [(await service.order(tenant_id, target)).compiled.compiled_id for target in ("md", "owl", "docx")]
    seen, token = [], ""
    while True:
        page = await service.listed(tenant_id, page_size=2, page_token=token)
        seen += [each.compiled_id for each in page.compiled]
        token = page.next_page_token
        if not token:
            break
    assert seen == made[::-1]
    with pytest.raises(LaceError) as refused:
        await service.listed(tenant_id, revision_id="rev_2", page_token="x")
    assert refused.value.reason is Reason.PAGE_TOKEN_INVALID


async def test_another_tenant_sees_nothing(service: Service, tenant_id: str) -> None:
    await service.order(tenant_id, "md")
    assert not (await service.listed(new_id("ten"))).compiled


async def test_reading_needs_the_scope(service: Service, tenant_id: str) -> None:
    with service.caller(tenant_id, "runs:read"), pytest.raises(LaceError) as refused:
        await service.stub.ListCompiled(wire.ListCompiledRequest(artifact_id="art_1"))
    assert refused.value.reason is Reason.PERMISSION_DENIED


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE compiler.compiled_artifacts SET filename = 'x'",
        "DELETE FROM compiler.compiled_artifacts",
        "TRUNCATE compiler.compiled_artifacts",
    ],
)
async def test_an_attempt_cannot_be_changed(database: Any, system_database: Any, tenant_id: str, change: str) -> None:
    for opened in (database("compiler").transaction(tenant_id), system_database("compiler").transaction()):
        async with opened as tx:
            with pytest.raises(ProgrammingError, match="permission denied"):
                await tx.execute(change)


async def test_row_level_security_holds_where_a_query_forgets_the_tenant(
    service: Service, database: Any, tenant_id: str
) -> None:
    await service.order(tenant_id, "md")
    async with database("compiler").transaction(tenant_id) as tx:
        rows = await tx.fetch_all("SELECT DISTINCT tenant_id FROM compiler.compiled_artifacts")
    assert [row.tenant_id for row in rows] == [tenant_id]
