"""Whole prompts and answers in the blob store, each under its own hash."""

from __future__ import annotations

from datetime import datetime

from lace_core.errors import LaceError, Reason
from lace_platform.blobs import BlobStore

_BUCKET = "lace-replay"
_FOLDER = "payloads"


class BlobPayloads:
    """See app.ports.Payloads and Expiring; the same content of one run is kept once."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def keep(self, tenant_id: str, run_id: str, sha256: str, data: bytes) -> str:
        """See app.ports.Payloads.keep."""
        key = f"{tenant_id}/{run_id}/{_FOLDER}/{sha256}"
        try:
            return (await self._blobs.put(_BUCKET, key, data, "application/octet-stream")).uri
        except ValueError:
            raise LaceError(Reason.INVALID_ARGUMENT, f"{run_id!r} is no id of a run.") from None

    async def expire(self, before: datetime) -> int:
        """See app.ports.Expiring.expire."""
        return await self._blobs.expire(_BUCKET, _FOLDER, before)
