"""Settings snapshots as files: whoever pinned one can read it and recompute its hash."""

from __future__ import annotations

from lace_platform.blobs import BlobStore


class BlobSnapshotStore:
    """lace-artifacts/<tenant>/settings/<hash>.json, whose SHA-256 is the hash in its name."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def put(self, tenant_id: str, settings_hash: str, canonical: bytes) -> str:
        """Keep the canonical JSON and give its address."""
        key = f"{tenant_id}/settings/{settings_hash}.json"
        return (await self._blobs.put("lace-artifacts", key, canonical, "application/json")).uri
