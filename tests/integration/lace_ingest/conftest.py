"""The whole service on its own port: real Postgres, a folder for blobs, a bus in memory, signed identities."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from lace.ingest.v1 import bundles_pb2_grpc, diffs_pb2_grpc, facts_pb2_grpc, retrieval_pb2_grpc
from lace.ingest.v1 import ingest_pb2 as pb
from lace.ingest.v1 import ingest_pb2_grpc as services
from lace_ingest.bootstrap import serve
from lace_platform.auth import Identity, IdentitySigner, IdentityVerifier, generate_private_key
from lace_platform.blobs.folder import FolderBlobStore
from lace_platform.blobs.signing import UrlSigner
from lace_platform.bus import Envelope
from lace_platform.bus.memory import MemoryBus
from lace_platform.config import load_process_config
from lace_platform.host import Platform
from lace_platform.ids import new_id
from lace_platform.rpc import CallContext, acting_as, open_channel
from lace_proto import json as wire_json

REQUESTED, COMPLETED = "source.ingest.requested", "source.ingest.completed"
SCOPES = frozenset(("sources:read", "sources:write"))
ROOT = Path(__file__).parents[3]


@dataclass
class Service:
    """The running service and the ways to it."""

    sources: Any
    retrieval: Any
    bundles: Any
    diffs: Any
    facts: Any
    bus: MemoryBus
    blobs: FolderBlobStore
    signer: IdentitySigner

    def calling(
        self,
        tenant_id: str,
        *,
        scopes: Iterable[str] = SCOPES,
        labels: Iterable[str] = (),
        key: str = "",
        principal: str = "prn_test",
        run_id: str | None = None,
    ) -> Any:
        """Within the block, calls are made by a principal of the tenant, or by a run of theirs."""
        now = datetime.now(UTC)
        kind: Literal["run", "user"] = "run" if run_id else "user"
        identity = Identity(
            principal, tenant_id, frozenset(), frozenset(scopes), frozenset(labels), kind, run_id, None,
            now, now + timedelta(minutes=5), 0,
        )  # fmt: skip
        request_id = new_id("req")
        call = CallContext(
            identity, request_id, request_id, idempotency_key=key or None, signed_identity=self.signer.sign(identity)
        )
        return acting_as(call)

    async def upload(self, filename: str, data: bytes, labels: Sequence[str] = (), **more: Any) -> pb.Source:
        """Uploads in pieces; `more` is for the head."""

        async def pieces() -> AsyncIterator[pb.UploadSourceRequest]:
            yield pb.UploadSourceRequest(head=pb.UploadHead(filename=filename, labels=labels, **more))
            for at in range(0, len(data), 100_000):
                yield pb.UploadSourceRequest(chunk=data[at : at + 100_000])
            yield pb.UploadSourceRequest(end=pb.UploadEnd(size_bytes=len(data)))

        found: pb.Source = await self.sources.UploadSource(pieces())
        return found

    async def ingest(self, tenant_id: str, source_id: str, settings_json: str = "") -> pb.SourceIngestCompleted:
        """Asks for the reading of a source as a run does, and waits for the answer."""
        job_id = new_id("job")
        asked = pb.SourceIngestRequested(
            job_id=job_id, run_id="run_1", tenant_id=tenant_id, source_id=source_id, settings_json=settings_json
        )
        await self.bus.publish([Envelope(new_id("evt"), tenant_id, REQUESTED, source_id, wire_json.to_json(asked))])
        async with asyncio.timeout(30):
            while True:
                for envelope in self.bus.messages(COMPLETED):
                    answer = wire_json.from_json(pb.SourceIngestCompleted, envelope.payload)
                    if answer.job_id == job_id:
                        return answer
                await asyncio.sleep(0.01)


@pytest.fixture(scope="session")
async def service(postgres: Any, scratch: Path) -> AsyncIterator[Service]:
    """The service, up to the end of the session."""
    signer = IdentitySigner(generate_private_key())
    verifier = IdentityVerifier()
    verifier.update_keys({signer.key_id: signer.public_key_pem})
    config = load_process_config(
        None,
        {
            "LACE_DATA_DIR": str(scratch / "ingest"),
            "LACE_DSN": postgres.admin_dsn,
            "LACE_DB_ROLE_SECRET": postgres.role_secret,
            "LACE_SERVICE_SECRET": "service-secret",
            "LACE_URL_SIGNING_SECRET": "signing-secret",
            "LACE_ADDRESSES": "ingest=127.0.0.1:0",
            "LACE_INGEST_MAX_BYTES": "1000000",
        },
    )
    blobs = FolderBlobStore(scratch / "ingest-blobs", UrlSigner("signing-secret"))
    bus = MemoryBus()
    platform = Platform(config, blobs, bus, verifier)
    async with serve(config, platform) as running:
        channel = open_channel(f"127.0.0.1:{running.port}")
        yield Service(
            services.SourceServiceStub(channel),
            retrieval_pb2_grpc.RetrievalServiceStub(channel),
            bundles_pb2_grpc.BundleServiceStub(channel),
            diffs_pb2_grpc.DiffServiceStub(channel),
            facts_pb2_grpc.FactServiceStub(channel),
            bus,
            blobs,
            signer,
        )
        await channel.close()
        await bus.close()


@pytest.fixture(scope="session")
def dossier() -> Callable[[str], Path]:
    """`dossier("02")`: the file of the demo's dossier whose name begins so."""

    def find(prefix: str) -> Path:
        [found] = (ROOT / "examples" / "dossier").glob(f"{prefix}*")
        return found

    return find
