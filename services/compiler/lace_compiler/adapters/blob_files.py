"""Snapshots and compiled files in the blob store."""

from __future__ import annotations

from lace_compiler.domain.attempt import Bundle
from lace_platform.blobs import BlobStore

_BUCKET = "lace-compiled"


class BlobFiles:
    """Reads lace-artifacts, writes lace-compiled; links are good for `link_ttl_s` seconds."""

    def __init__(self, blobs: BlobStore, link_ttl_s: int) -> None:
        self._blobs = blobs
        self._link_ttl_s = link_ttl_s

    async def read_ir(self, uri: str, sha256: str) -> bytes:
        """The snapshot, if its bytes are those that were promised."""
        return await self._blobs.get(uri, sha256 or None)

    async def write_bundle(self, tenant_id: str, key: str, data: bytes, media_type: str, filename: str) -> Bundle:
        """Stores the file below the tenant's folder."""
        ref = await self._blobs.put(_BUCKET, f"{tenant_id}/{key}", data, media_type)
        return Bundle(ref.uri, ref.sha256, ref.size, media_type, filename)

    def download_url(self, tenant_id: str, bundle: Bundle) -> str:
        """A signed path that offers the file under its own name."""
        return self._blobs.signed_url(bundle.uri, filename=bundle.filename, ttl_s=self._link_ttl_s, tenant_id=tenant_id)
