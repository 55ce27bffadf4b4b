"""The blob store on an S3 server, by the MinIO client, whose blocking calls run in threads."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import urllib3
from minio import Minio
from minio.error import S3Error, ServerError

from lace_core.errors import LaceError, Reason
from lace_platform.blobs.port import (
    BUCKETS,
    CHUNK_BYTES,
    BlobEntry,
    BlobRef,
    checked_name,
    checked_prefix,
    conflict,
    corrupt,
    not_found,
    parse_uri,
)
from lace_platform.blobs.s3_streaming import put_stream
from lace_platform.blobs.signing import SignedBlob, UrlSigner

T = TypeVar("T")
_THREADS = 8
_SHA256 = "x-amz-meta-sha256"
_MISSING = {"NoSuchKey", "NoSuchBucket", "NoSuchObject"}
_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}


class MinioBlobStore:
    """Keeps files in the buckets of one S3 server; hashes are kept as user metadata."""

    def __init__(self, client: Minio, signer: UrlSigner) -> None:
        self._client = client
        self._signer = signer
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="blobs")

    @classmethod
    async def connect(
        cls, endpoint: str, *, access_key: str, secret_key: str, secure: bool, signer: UrlSigner
    ) -> MinioBlobStore:
        """A store whose buckets exist; raises LaceError SERVICE_UNAVAILABLE where the server does not answer."""
        pool = urllib3.PoolManager(
            maxsize=_THREADS,
            timeout=urllib3.Timeout(connect=5.0, read=60.0),
            retries=urllib3.Retry(total=3, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
        )
        client = Minio(endpoint, access_key, secret_key, secure=secure, region="us-east-1", http_client=pool)
        store = cls(client, signer)
        await store._run(partial(store._make_buckets, BUCKETS))
        return store

    async def put(self, bucket: str, key: str, data: bytes, content_type: str) -> BlobRef:
        """See BlobStore.put."""
        checked_name(bucket, key)
        return await self._run(partial(self._store, bucket, key, io.BytesIO(data), content_type))

    async def put_file(self, bucket: str, key: str, path: Path, content_type: str) -> BlobRef:
        """See BlobStore.put_file."""
        checked_name(bucket, key)
        return await self._run(partial(self._store_file, bucket, key, path, content_type))

    async def get(self, uri: str, sha256: str | None = None) -> bytes:
        """See BlobStore.get."""
        bucket, key = parse_uri(uri)
        data, expected = await self._run(partial(self._read, bucket, key), uri)
        if hashlib.sha256(data).hexdigest() != expected or (sha256 or expected) != expected:
            raise corrupt(uri)
        return data

    async def open(self, uri: str) -> AsyncIterator[bytes]:
        """See BlobStore.open."""
        bucket, key = parse_uri(uri)
        response = await self._run(partial(self._client.get_object, bucket, key), uri)
        digest = hashlib.sha256()
        try:
            while chunk := await self._run(partial(response.read, CHUNK_BYTES), uri):
                digest.update(chunk)
                yield chunk
        finally:
            response.close()
            response.release_conn()
        if digest.hexdigest() != response.headers.get(_SHA256):
            raise corrupt(uri)

    async def exists(self, uri: str) -> bool:
        """See BlobStore.exists."""
        bucket, key = parse_uri(uri)
        try:
            await self._run(partial(self._client.stat_object, bucket, key), uri)
        except LaceError as error:
            if error.reason is Reason.BLOB_NOT_FOUND:
                return False
            raise
        return True

    async def entries(self, bucket: str, prefix: str, *, after: str = "", limit: int = 1000) -> Sequence[BlobEntry]:
        """See BlobStore.entries."""
        checked_prefix(bucket, prefix)
        return await self._run(partial(self._entries, bucket, prefix, after, limit))

    async def open_entry(self, bucket: str, key: str) -> AsyncGenerator[bytes, None]:
        """See BlobStore.open_entry."""
        checked_prefix(bucket, key)
        uri = f"{bucket}/{key}"
        response = await self._run(partial(self._client.get_object, bucket, key), uri)
        try:
            while chunk := await self._run(partial(response.read, CHUNK_BYTES), uri):
                yield chunk
        finally:
            response.close()
            response.release_conn()

    async def expire(self, bucket: str, folder: str, before: datetime) -> int:
        """See BlobStore.expire."""
        checked_name(bucket, folder)
        return await self._run(partial(self._expire, bucket, folder, before))

    async def close(self) -> None:
        """See BlobStore.close."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def signed_url(self, uri: str, *, filename: str, ttl_s: int, tenant_id: str = "") -> str:
        """See BlobStore.signed_url."""
        parse_uri(uri)
        return self._signer.path(uri, filename=filename, ttl_s=ttl_s, tenant_id=tenant_id)

    def verify_signed(self, token: str) -> SignedBlob:
        """See BlobStore.verify_signed."""
        return self._signer.verify(token)

    def _expire(self, bucket: str, folder: str, before: datetime) -> int:
        found = 0
        for stored in self._client.list_objects(bucket, recursive=True):
            name, at = stored.object_name, stored.last_modified
            if name and at and at < before and folder in name.split("/")[:-1]:
                self._client.remove_object(bucket, name)
                found += 1
        return found

    def _entries(self, bucket: str, prefix: str, after: str, limit: int) -> Sequence[BlobEntry]:
        found: list[BlobEntry] = []
        for stored in self._client.list_objects(bucket, prefix=prefix, recursive=True, start_after=after or None):
            if len(found) >= limit:
                break
            key, at = stored.object_name, stored.last_modified
            if key is None or at is None or key.endswith("/") or _is_hidden(key):
                continue
            found.append(BlobEntry(key, stored.size or 0, at, (stored.etag or "").strip('"')))
        return found

    def _make_buckets(self, names: Sequence[str]) -> None:
        for name in names:
            if not self._client.bucket_exists(name):
                try:
                    self._client.make_bucket(name)
                except S3Error as error:
                    # Another process was faster.
                    if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                        raise

    def _store_file(self, bucket: str, key: str, path: Path, content_type: str) -> BlobRef:
        with path.open("rb") as file:
            return self._store(bucket, key, file, content_type)

    def _store(self, bucket: str, key: str, file: io.BufferedIOBase, content_type: str) -> BlobRef:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        ref = BlobRef(f"{bucket}/{key}", sha256, file.seek(0, io.SEEK_END), content_type)
        file.seek(0)
        headers = {"Content-Type": content_type, _SHA256: sha256, "If-None-Match": "*"}
        try:
            put_stream(self._client, bucket, key, file, size=ref.size, sha256=sha256, headers=headers)
        except S3Error as error:
            if error.code not in _TAKEN:
                raise
            return self._same_or_conflict(bucket, key, ref)
        return ref

    def _same_or_conflict(self, bucket: str, key: str, ref: BlobRef) -> BlobRef:
        there = self._client.stat_object(bucket, key)
        headers = there.metadata or {}
        if headers.get(_SHA256) != ref.sha256:
            raise conflict(ref.uri)
        return BlobRef(ref.uri, ref.sha256, ref.size, there.content_type or ref.content_type)

    def _read(self, bucket: str, key: str) -> tuple[bytes, str]:
        response = self._client.get_object(bucket, key)
        try:
            return response.read(), response.headers.get(_SHA256, "")
        finally:
            response.close()
            response.release_conn()

    async def _run(self, call: Callable[[], T], uri: str = "") -> T:
        """The call's result from a thread; failures of the server as LaceError."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except S3Error as error:
            if error.code in _MISSING:
                raise not_found(uri) from None
            raise _unavailable(f"the file store answered {error.code}") from error
        except (urllib3.exceptions.HTTPError, ServerError) as error:
            raise _unavailable("the file store cannot be reached") from error


def _is_hidden(key: str) -> bool:
    return any(part.startswith(".") for part in key.split("/"))


def _unavailable(what: str) -> LaceError:
    return LaceError(Reason.SERVICE_UNAVAILABLE, f"{what.capitalize()}; try again.", retryable=True, retry_after=1.0)
