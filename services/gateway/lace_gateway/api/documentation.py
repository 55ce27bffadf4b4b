"""/docs, /openapi.json and the catalogue of errors: all from this process, without any network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from html import escape
from importlib import resources
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from lace_core.errors import REASONS, LaceError, Reason
from lace_gateway.api.rest_routes import JSON, Endpoint
from lace_gateway.domain.problem import title_of
from lace_gateway.domain.request_headers import entity_tag, none_match

READER_PATH = "/read"
_OWN = resources.files("lace_gateway.api").joinpath("pages")
_SWAGGER = resources.files("fastapi_swagger").joinpath("resources")
_SCRIPT = "text/javascript; charset=utf-8"
_READER = ("reader.js", "reader_api.js", "reader_parts.js", "reader_document.js", "reader_run.js")
_ASSETS = {
    **dict.fromkeys(_READER, (_OWN, _SCRIPT)),
    "reader.css": (_OWN, "text/css; charset=utf-8"),
    "start.js": (_OWN, "text/javascript; charset=utf-8"),
    "swagger-ui.css": (_SWAGGER, "text/css; charset=utf-8"),
    "swagger-ui-bundle.js": (_SWAGGER, "text/javascript; charset=utf-8"),
    "favicon-32x32.png": (_SWAGGER, "image/png"),
}
_HTML = "text/html; charset=utf-8"
_PAGE_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


async def docs_page(request: Request) -> Response:
    """The page that explains the API and lets people try it."""
    return Response(_OWN.joinpath("index.html").read_bytes(), headers=_PAGE_HEADERS, media_type=_HTML)


async def reader_page(request: Request) -> Response:
    """The page on which people read documents with their citations, and watch runs."""
    return Response(_OWN.joinpath("reader.html").read_bytes(), headers=_PAGE_HEADERS, media_type=_HTML)


async def docs_asset(request: Request) -> Response:
    """What the page is made of."""
    name = request.path_params["name"]
    if name not in _ASSETS:
        raise LaceError(Reason.ROUTE_NOT_FOUND, "No such path; the paths are listed at /docs.")
    folder, media_type = _ASSETS[name]
    return _cached(request, folder.joinpath(name).read_bytes(), media_type)


async def error_catalogue(request: Request) -> Response:
    """Every error code with its status and an example; where a problem's `type` points to."""
    rows = "".join(
        f'<tr id="{reason.value}"><td><code>{reason.value}</code></td><td>{spec.http_status}</td>'
        f"<td>{title_of(reason)}</td><td>{escape(spec.example)}</td></tr>"
        for reason, spec in REASONS.items()
    )
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>LACE errors</title>'
        "<style>body{font:16px/1.5 sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
        "td,th{text-align:left;padding:.3rem .8rem;border-bottom:1px solid #ddd}:target{background:#ffd}</style></head>"
        "<body><h1>Error codes</h1><table><tr><th>Code</th><th>HTTP status</th><th>Meaning</th><th>Example</th></tr>"
        f"{rows}</table></body></html>"
    )
    return Response(page, headers=_PAGE_HEADERS, media_type=_HTML)


def openapi_endpoint(document: Callable[[], dict[str, Any]]) -> Endpoint:
    """/openapi.json; the document is written once."""
    written: list[bytes] = []

    async def openapi(request: Request) -> Response:
        if not written:
            written.append(orjson.dumps(document()))
        return _cached(request, written[0], JSON)

    return openapi


def _cached(request: Request, content: bytes, media_type: str) -> Response:
    etag = hashlib.sha256(content).hexdigest()[:20]
    headers = {"etag": entity_tag(etag), "cache-control": "no-cache", "x-content-type-options": "nosniff"}
    if none_match(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=media_type)
