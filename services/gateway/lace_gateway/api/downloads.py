"""GET /v1/blobs/{token}: a stored file by a signed link."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import PurePosixPath
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from lace_gateway.api.rest_routes import Endpoint
from lace_platform.blobs import BlobStore
from lace_platform.blobs.signing import PATH as PREFIX

PATH = PREFIX + "{token}"
_MEDIA_TYPES = {
    ".md": "text/markdown; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".ttl": "text/turtle; charset=utf-8",
}


def download_endpoint(blobs: BlobStore) -> Endpoint:
    """The endpoint; the link is the permission, so nothing else is asked."""

    async def download(request: Request) -> Response:
        signed = blobs.verify_signed(request.path_params["token"])
        pieces = blobs.open(signed.uri)
        # The first piece before the headers: a file that is missing is still a 404.
        first = await anext(pieces, b"")
        return StreamingResponse(_all(first, pieces), headers=_headers(signed.filename))

    return download


async def _all(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _headers(filename: str) -> dict[str, str]:
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename)
    return {
        "content-type": _MEDIA_TYPES.get(PurePosixPath(filename).suffix.lower(), "application/octet-stream"),
        "content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}",
        "cache-control": "private, no-store",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox",
    }
