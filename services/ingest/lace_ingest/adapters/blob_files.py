"""Raw documents and what was read out of them, in the blob store."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from lace_core.canonical import canonical_json, sha256_hex
from lace_ingest.adapters.spool import flush, nameless_file, write
from lace_ingest.app.ports import Received, Stored
from lace_ingest.domain.documents import ExtractedDocument
from lace_ingest.domain.sources import BUCKET, Source
from lace_platform.blobs import BlobStore
from lace_platform.blobs.port import corrupt


class BlobFiles:
    """See app.ports.Files."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def keep_raw(self, key: str, received: Received, media_type: str) -> Stored:
        """Keep a received file."""
        ref = await self._blobs.put_file(BUCKET, key, received.path, media_type)
        return Stored(ref.uri, ref.sha256)

    async def keep_units(self, key: Callable[[str], str], document: ExtractedDocument) -> Stored:
        """Keep a document as canonical JSON."""
        data = await asyncio.to_thread(lambda: canonical_json(msgspec.to_builtins(document)))
        ref = await self._blobs.put(BUCKET, key(sha256_hex(data)), data, "application/json")
        return Stored(ref.uri, ref.sha256)

    @asynccontextmanager
    async def raw(self, source: Source) -> AsyncIterator[Path]:
        """The raw bytes in a file without a name, checked against the source's version while they are copied."""
        with nameless_file() as (path, file):
            digest = hashlib.sha256()
            async for chunk in self._blobs.open(source.raw_uri):
                digest.update(chunk)
                await write(file, chunk)
            if digest.hexdigest() != source.sha256:
                raise corrupt(source.raw_uri)
            await flush(file, source.size_bytes)
            yield path
