"""The blob store in a folder: a file per key, its hash and media type in a small file beside it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from lace_core.errors import LaceError, Reason
from lace_platform.blobs.folder_entries import entries_below, open_beneath
from lace_platform.blobs.port import (
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
from lace_platform.blobs.signing import SignedBlob, UrlSigner

_ABOUT = ".about"  # a name that no key can have: segments do not begin with a dot
_DRAFTS = ".drafts"
_DRAFT_S = 3600.0  # no writer takes so long: what is older was left by a process that was killed


class FolderBlobStore:
    """Keeps files below one folder, which may be shared by processes of one machine."""

    def __init__(self, root: Path, signer: UrlSigner) -> None:
        self._root = root
        self._signer = signer
        self._cleared = False

    async def put(self, bucket: str, key: str, data: bytes, content_type: str) -> BlobRef:
        """See BlobStore.put."""
        uri = checked_name(bucket, key)
        return await asyncio.to_thread(self._store, uri, lambda file: _write(file, data), content_type)

    async def put_file(self, bucket: str, key: str, path: Path, content_type: str) -> BlobRef:
        """See BlobStore.put_file."""
        uri = checked_name(bucket, key)
        return await asyncio.to_thread(self._store, uri, lambda file: _copy(file, path), content_type)

    async def get(self, uri: str, sha256: str | None = None) -> bytes:
        """See BlobStore.get."""
        parse_uri(uri)
        return await asyncio.to_thread(self._read, uri, sha256)

    async def open(self, uri: str) -> AsyncIterator[bytes]:
        """See BlobStore.open."""
        parse_uri(uri)
        file, ref = await asyncio.to_thread(self._open, uri)
        digest = hashlib.sha256()
        try:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                digest.update(chunk)
                yield chunk
        finally:
            file.close()
        if digest.hexdigest() != ref.sha256:
            raise corrupt(uri)

    async def exists(self, uri: str) -> bool:
        """See BlobStore.exists."""
        parse_uri(uri)
        return await asyncio.to_thread(self._about(uri).is_file)

    async def entries(self, bucket: str, prefix: str, *, after: str = "", limit: int = 1000) -> Sequence[BlobEntry]:
        """See BlobStore.entries."""
        checked_prefix(bucket, prefix)
        found = await asyncio.to_thread(lambda: list(entries_below(self._root / bucket, prefix)))
        behind = (entry for entry in found if entry.key.encode() > after.encode())
        return sorted(behind, key=lambda entry: entry.key.encode())[:limit]

    async def open_entry(self, bucket: str, key: str) -> AsyncGenerator[bytes, None]:
        """See BlobStore.open_entry."""
        checked_prefix(bucket, key)
        file = await asyncio.to_thread(open_beneath, self._root / bucket, key)
        try:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk
        finally:
            file.close()

    async def expire(self, bucket: str, folder: str, before: datetime) -> int:
        """See BlobStore.expire."""
        checked_name(bucket, folder)
        return await asyncio.to_thread(self._expire, self._root / bucket, folder, before.timestamp())

    async def close(self) -> None:
        """See BlobStore.close; a folder holds nothing."""

    def signed_url(self, uri: str, *, filename: str, ttl_s: int, tenant_id: str = "") -> str:
        """See BlobStore.signed_url."""
        parse_uri(uri)
        return self._signer.path(uri, filename=filename, ttl_s=ttl_s, tenant_id=tenant_id)

    def verify_signed(self, token: str) -> SignedBlob:
        """See BlobStore.verify_signed."""
        return self._signer.verify(token)

    def _expire(self, bucket: Path, folder: str, before: float) -> int:
        found = 0
        for place, _, names in os.walk(bucket):
            if folder not in Path(place).relative_to(bucket).parts:
                continue
            for name in names:
                if not name.startswith(".") and _was_stored_before(Path(place, name), before):
                    # First what says that it is there: without that a reader finds nothing, and not half of it.
                    self._about(Path(place, name).relative_to(self._root).as_posix()).unlink(missing_ok=True)
                    Path(place, name).unlink(missing_ok=True)
                    found += 1
        return found

    def _store(self, uri: str, write: Callable[[BinaryIO], BlobRef], content_type: str) -> BlobRef:
        drafts = self._root / _DRAFTS
        drafts.mkdir(parents=True, exist_ok=True)
        if not self._cleared:
            self._cleared = True
            _clear(drafts, time.time() - _DRAFT_S)
        draft = drafts / secrets.token_hex(12)
        try:
            with draft.open("xb") as file:
                written = write(file)
                file.flush()
                os.fsync(file.fileno())
            ref = BlobRef(uri, written.sha256, written.size, content_type)
            return self._publish(draft, ref)
        finally:
            draft.unlink(missing_ok=True)

    def _publish(self, draft: Path, ref: BlobRef) -> BlobRef:
        """Links the draft to its place, then says what it is; a file without that is not there yet."""
        place = self._root / ref.uri
        _make_folder(place.parent)
        try:
            os.link(draft, place)
        except FileExistsError:
            if _hash_of(place) != ref.sha256:
                self._mend(draft, place, ref)
        about = {"sha256": ref.sha256, "size": ref.size, "content_type": ref.content_type}
        note = draft.with_suffix(_ABOUT)
        try:
            with note.open("xb") as file:
                file.write(orjson.dumps(about))
                file.flush()
                os.fsync(file.fileno())
            os.link(note, self._about(ref.uri))
        except FileExistsError:
            there = self._ref(ref.uri)
            if there.sha256 != ref.sha256:
                place.unlink(missing_ok=True)  # the place was free because what was promised there is lost
                raise conflict(ref.uri) from None
            return there  # the first writer's media type stays
        finally:
            note.unlink(missing_ok=True)
            _sync_folder(place.parent)
        return ref

    def _mend(self, draft: Path, place: Path, ref: BlobRef) -> None:
        """What was damaged since it was stored gets its content back; what was stored as another stays."""
        try:
            promised = self._ref(ref.uri).sha256
        except LaceError as error:
            if error.reason is Reason.BLOB_NOT_FOUND:
                raise conflict(ref.uri) from None  # another writer is about to say what it is
            promised = ref.sha256  # what said so was damaged itself
            self._about(ref.uri).unlink(missing_ok=True)
        if promised != ref.sha256:
            raise conflict(ref.uri)
        again = draft.with_suffix(".again")
        os.link(draft, again)
        os.replace(again, place)

    def _about(self, uri: str) -> Path:
        place = self._root / uri
        return place.with_name(f".{place.name}{_ABOUT}")

    def _ref(self, uri: str) -> BlobRef:
        try:
            about: dict[str, Any] = orjson.loads(self._about(uri).read_bytes())
            return BlobRef(uri, about["sha256"], about["size"], about["content_type"])
        except (FileNotFoundError, NotADirectoryError):
            raise not_found(uri) from None
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise corrupt(uri) from None

    def _open(self, uri: str) -> tuple[BinaryIO, BlobRef]:
        ref = self._ref(uri)
        try:
            return (self._root / uri).open("rb"), ref
        except FileNotFoundError:
            raise not_found(uri) from None

    def _read(self, uri: str, sha256: str | None) -> bytes:
        file, ref = self._open(uri)
        with file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() != ref.sha256 or (sha256 or ref.sha256) != ref.sha256:
            raise corrupt(uri)
        return data


def _clear(drafts: Path, before: float) -> None:
    for draft in drafts.iterdir():
        if _was_stored_before(draft, before):
            draft.unlink(missing_ok=True)


def _was_stored_before(place: Path, moment: float) -> bool:
    try:
        return place.stat().st_mtime < moment
    except FileNotFoundError:
        return False


def _write(file: BinaryIO, data: bytes) -> BlobRef:
    file.write(data)
    return BlobRef("", hashlib.sha256(data).hexdigest(), len(data), "")


def _copy(file: BinaryIO, path: Path) -> BlobRef:
    with path.open("rb") as source:
        shutil.copyfileobj(source, file, CHUNK_BYTES)
    file.flush()
    return BlobRef("", _hash_of(Path(file.name)), file.tell(), "")


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _make_folder(folder: Path) -> None:
    """The folder and those above it, each name of them durable before a file stands below it."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """Makes the new names in the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
