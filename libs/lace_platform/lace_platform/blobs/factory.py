"""Chooses the blob store by the process's settings."""

from __future__ import annotations

from lace_platform.blobs.folder import FolderBlobStore
from lace_platform.blobs.port import BlobStore
from lace_platform.blobs.signing import UrlSigner
from lace_platform.config import ProcessConfig


async def open_blob_store(config: ProcessConfig) -> BlobStore:
    """The store of the setting `blobs`, ready for use; raises LaceError SERVICE_UNAVAILABLE."""
    signer = UrlSigner(config.url_signing_secret)
    if config.blobs == "folder":
        return FolderBlobStore(config.data_dir / "blobs", signer)
    # Imported on use: a process that keeps its files in a folder pays nothing for the other's driver.
    from lace_platform.blobs.minio import MinioBlobStore

    return await MinioBlobStore.connect(
        config.minio_endpoint,
        access_key=config.minio_access_key,
        secret_key=config.minio_secret_key,
        secure=config.minio_secure,
        signer=signer,
    )
