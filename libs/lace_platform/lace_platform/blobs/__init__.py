"""Files by immutable key: one port, with adapters on a folder and on S3; links to them that anyone may be given."""

from __future__ import annotations

from lace_platform.blobs.factory import open_blob_store
from lace_platform.blobs.folder import FolderBlobStore
from lace_platform.blobs.port import BUCKETS, BlobEntry, BlobRef, BlobStore
from lace_platform.blobs.signing import SignedBlob, UrlSigner

__all__ = [
    "BUCKETS",
    "BlobEntry",
    "BlobRef",
    "BlobStore",
    "FolderBlobStore",
    "SignedBlob",
    "UrlSigner",
    "open_blob_store",
]
