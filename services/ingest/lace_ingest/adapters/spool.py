"""Takes an upload into a temporary file while counting and hashing it; nothing of it stays behind."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lace_ingest.app.ports import Received


class Spool:
    """See app.ports.Intake."""

    @asynccontextmanager
    async def receive(self, chunks: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[Received | None]:
        """The file for the length of the block; None, with the stream left unread, once it is too large."""
        with tempfile.NamedTemporaryFile(prefix="lace-upload-") as file:
            digest = hashlib.sha256()
            size = 0
            async for chunk in chunks:
                size += len(chunk)
                if size > max_bytes:
                    break
                digest.update(chunk)
                await asyncio.to_thread(file.write, chunk)
            file.flush()
            yield None if size > max_bytes else Received(Path(file.name), size, digest.hexdigest())
