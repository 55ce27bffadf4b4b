"""The two blob stores, each as empty as it can be had, and what others do to them."""

from __future__ import annotations

import asyncio
import io
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from lace_platform.blobs import BlobStore, FolderBlobStore, UrlSigner
from lace_platform.blobs.minio import MinioBlobStore

_S3 = os.environ.get("LACE_TEST_S3", "")
_MISSING_S3 = "no S3 server: set LACE_TEST_S3=host:port (and LACE_TEST_S3_ACCESS, LACE_TEST_S3_SECRET)"


_MINIO = pytest.param("minio", marks=[pytest.mark.real_parts, pytest.mark.skipif(not _S3, reason=_MISSING_S3)])


@pytest.fixture(params=["folder", _MINIO])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BlobStore]:
    signer = UrlSigner("secret")
    opened: BlobStore
    if request.param == "folder":
        opened = FolderBlobStore(tmp_path / "blobs", signer)
    else:
        opened = await MinioBlobStore.connect(
            _S3,
            access_key=os.environ.get("LACE_TEST_S3_ACCESS", "laceadmin"),
            secret_key=os.environ.get("LACE_TEST_S3_SECRET", "laceadmin-secret"),
            secure=False,
            signer=signer,
        )
    yield opened
    await opened.close()


@pytest.fixture
def key() -> str:
    return f"ten_{uuid.uuid4().hex}/art_1/rev_1.json"


Put = Callable[[str, str, bytes], Awaitable[None]]


@pytest.fixture
def put_by_others(store: BlobStore) -> Put:
    """`await put(bucket, key, content)`: as any tool does it, which knows nothing of us."""

    async def put(bucket: str, key: str, content: bytes) -> None:
        if isinstance(store, FolderBlobStore):
            place = store._root / bucket / key
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        else:
            assert isinstance(store, MinioBlobStore)
            await asyncio.to_thread(store._client.put_object, bucket, key, io.BytesIO(content), len(content))

    return put
