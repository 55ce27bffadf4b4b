"""Takes an upload into a temporary file while counting and hashing it; nothing of it stays behind."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import BinaryIO

from lace_ingest.app.ports import Received
from lace_ingest.domain.formats import SNIFF_BYTES

_LITTLE_BYTES = 64 * 1024


class Spool:
    """See app.ports.Intake."""

    @asynccontextmanager
    async def receive(self, chunks: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[Received | None]:
        """The file for the length of the block; None, with the stream left unread, once it is too large."""
        with nameless_file() as (path, file):
            digest = hashlib.sha256()
            size, head = 0, b""
            async for chunk in chunks:
                size += len(chunk)
                if size > max_bytes:
                    break
                head += chunk[: SNIFF_BYTES - len(head)]
                digest.update(chunk)
                await write(file, chunk)
            await flush(file, size)
            yield None if size > max_bytes else Received(path, size, digest.hexdigest(), head)


async def write(file: BinaryIO, piece: bytes) -> None:
    """Into memory of the system, at once where it is little: another thread would cost more than the writing."""
    if len(piece) <= _LITTLE_BYTES:
        file.write(piece)
    else:
        await asyncio.to_thread(file.write, piece)


async def flush(file: BinaryIO, size_bytes: int) -> None:
    """So that others who open the file see all of it."""
    if size_bytes <= _LITTLE_BYTES:
        file.flush()
    else:
        await asyncio.to_thread(file.flush)


@contextmanager
def nameless_file() -> Iterator[tuple[Path, BinaryIO]]:
    """A file in the temporary folder that stands in no folder, so that not even a killed process leaves it behind,
    and the path under which this process can open it again while the block lasts.
    """
    with tempfile.TemporaryFile(prefix="lace-upload-") as file:
        yield Path(f"/dev/fd/{file.fileno()}"), file
