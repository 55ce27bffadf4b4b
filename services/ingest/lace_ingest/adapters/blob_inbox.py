"""The tenants' inboxes in the blob store: below TENANT/inbox/ in the bucket of the sources."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from lace_core.errors import LaceError, Reason
from lace_core.inbox import FOLDER, check_prefix
from lace_ingest.domain.intake import InboxObject
from lace_ingest.domain.sources import BUCKET
from lace_platform.blobs import BlobStore


class BlobInbox:
    """See app.intake_ports.Inbox."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def objects(self, tenant_id: str, prefix: str, after: str, limit: int) -> Sequence[InboxObject]:
        """Objects whose names begin with the prefix. Raises INBOX_PREFIX_INVALID."""
        root = f"{tenant_id}/{FOLDER}/"
        behind = f"{root}{after}" if after else ""
        found = await self._blobs.entries(BUCKET, f"{root}{check_prefix(prefix)}", after=behind, limit=limit)
        return [InboxObject(entry.key.removeprefix(root), entry.size, entry.modified_at, entry.mark) for entry in found]

    async def content(self, tenant_id: str, name: str) -> AsyncGenerator[bytes, None]:
        """An object in pieces. Raises BLOB_NOT_FOUND before the first."""
        try:
            check_prefix(name)
        except LaceError:
            raise LaceError(Reason.BLOB_NOT_FOUND, "There is no such object in the inbox.") from None
        async with aclosing(self._blobs.open_entry(BUCKET, f"{tenant_id}/{FOLDER}/{name}")) as pieces:
            async for piece in pieces:
                yield piece
