"""The port of the blob store, and what every adapter promises."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from lace_core.errors import LaceError, Reason
from lace_platform.blobs.signing import SignedBlob

BUCKETS = ("lace-artifacts", "lace-sources", "lace-compiled", "lace-replay", "lace-provenance")
CHUNK_BYTES = 256 * 1024

_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,199}")
_LONGEST_KEY = 900


@dataclass(frozen=True)
class BlobRef:
    """A stored file: `uri` is bucket/key, `sha256` hexadecimal, `size` in bytes."""

    uri: str
    sha256: str
    size: int
    content_type: str


@dataclass(frozen=True)
class BlobEntry:
    """What lies in a bucket, whoever put it there: its key, its size in bytes, when it was put there (aware), and a
    mark that is another one once its content is.
    """

    key: str
    size: int
    modified_at: datetime
    mark: str


class BlobStore(Protocol):
    """Immutable files; a key, once written, keeps its content.

    Keys are segments of letters, digits and `._=+-`, joined by slashes; other keys, and buckets that are not one
    of BUCKETS, raise ValueError on writing and LaceError BLOB_NOT_FOUND on reading.
    """

    async def put(self, bucket: str, key: str, data: bytes, content_type: str) -> BlobRef:
        """Stores the bytes durably; the same content again is no change, another raises LaceError BLOB_CONFLICT."""

    async def put_file(self, bucket: str, key: str, path: Path, content_type: str) -> BlobRef:
        """As `put`, from a file, which is read in pieces."""

    async def get(self, uri: str, sha256: str | None = None) -> bytes:
        """The whole content; raises LaceError BLOB_NOT_FOUND, or BLOB_CORRUPT where it is not what was stored."""

    def open(self, uri: str) -> AsyncIterator[bytes]:
        """The content in pieces; BLOB_NOT_FOUND before the first, BLOB_CORRUPT in place of the end."""

    async def exists(self, uri: str) -> bool:
        """Whether there is such a file."""

    async def entries(self, bucket: str, prefix: str, *, after: str = "", limit: int = 1000) -> Sequence[BlobEntry]:
        """Files that lie in the bucket under keys that begin with the prefix, `limit` at most, those behind `after`
        only, sorted by the bytes of their keys.

        Others may have put them there, so that their keys may hold any characters; no link is followed, and what the
        store itself hides is not shown. Raises ValueError for what is no bucket, or for a prefix whose first folder
        could be no key's.
        """

    def open_entry(self, bucket: str, key: str) -> AsyncGenerator[bytes, None]:
        """What lies under a key that `entries` gave, in pieces; nothing was promised about its content.

        Raises LaceError BLOB_NOT_FOUND before the first piece.
        """

    async def expire(self, bucket: str, folder: str, before: datetime) -> int:
        """Deletes what was stored before that moment under keys with `folder` among their folders; how many files.

        For what is kept for a time only: nobody may count on such a file after its time.
        """

    async def close(self) -> None:
        """Gives back what the adapter holds."""

    def signed_url(self, uri: str, *, filename: str, ttl_s: int, tenant_id: str = "") -> str:
        """A path below /v1/blobs/ under which the gateway serves the file for `ttl_s` seconds."""

    def verify_signed(self, token: str) -> SignedBlob:
        """What the last segment of such a path grants; raises LaceError SIGNED_URL_INVALID or SIGNED_URL_EXPIRED."""


def checked_name(bucket: str, key: str) -> str:
    """bucket/key; raises ValueError where either could lead outside of the store."""
    segments = key.split("/")
    if bucket not in BUCKETS:
        raise ValueError(f"no bucket {bucket!r}")
    if len(key) > _LONGEST_KEY or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise ValueError(f"not a key of the blob store: {key!r}")
    return f"{bucket}/{key}"


def checked_prefix(bucket: str, prefix: str) -> str:
    """The prefix; raises ValueError where it could lead outside of its first folder, which is a plain one."""
    first, slash, rest = prefix.partition("/")
    if bucket not in BUCKETS:
        raise ValueError(f"no bucket {bucket!r}")
    if not slash or not _SEGMENT.fullmatch(first) or {".", ".."}.intersection(rest.split("/")) or "\0" in rest:
        raise ValueError(f"not a prefix within a folder of the blob store: {prefix!r}")
    return prefix


def parse_uri(uri: str) -> tuple[str, str]:
    """Bucket and key; raises LaceError BLOB_NOT_FOUND for what can be no file of ours."""
    bucket, _, key = uri.partition("/")
    try:
        checked_name(bucket, key)
    except ValueError:
        raise not_found(uri) from None
    return bucket, key


def not_found(uri: str) -> LaceError:
    """The error for a file that is not there."""
    return LaceError(Reason.BLOB_NOT_FOUND, f"The stored file {uri} is missing.")


def conflict(uri: str) -> LaceError:
    """The error for a key that holds another content."""
    return LaceError(Reason.BLOB_CONFLICT, f"Another content is stored under {uri}.")


def corrupt(uri: str) -> LaceError:
    """The error for a file that is not what was stored, or not what the reader was promised."""
    return LaceError(Reason.BLOB_CORRUPT, f"The stored file {uri} does not match its hash.")
