"""POST /v1/sources:ingest: documents in, streamed on as they come, and the run that reads them out."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from lace.ingest.v1 import ingest_pb2
from lace_core.errors import Detail, LaceError, Reason
from lace_gateway.api import metrics
from lace_gateway.api.exchange import exchange_of
from lace_gateway.api.multipart import MultipartReader, Part
from lace_gateway.api.rest_routes import JSON, RUN_PATH, Endpoint
from lace_gateway.app.ingest import Ingested, ingest_sources
from lace_gateway.app.ports import Sources, Upload
from lace_gateway.domain.request_headers import idempotency_key_of
from lace_platform.rpc import acting_as
from lace_proto.json import to_python

PATH = "/v1/sources:ingest"
FILES = "files"
LABELS = "labels"
VERSION_OF = "version_of"
PRIVATE = "private"
_MOST_FILES = 1000
_MOST_LABELS = 64
_LONGEST_LABEL = 256
_LONGEST_ID = 64
_LONGEST_TRUTH = 5


def ingest_endpoint(sources: Sources[ingest_pb2.Source]) -> Endpoint:
    """The endpoint; the run is started under the request's own idempotency key."""

    async def ingest(request: Request) -> Response:
        exchange = exchange_of(request.scope)
        key = idempotency_key_of(exchange.headers.get("idempotency-key"))
        reader = MultipartReader(exchange.headers.get("content-type", ""), request.receive)
        with acting_as(exchange.call(idempotency_key=key)):
            ingested = await ingest_sources(sources, _uploads(reader))
        return Response(_body(ingested), 202, {"location": RUN_PATH.format(run_id=ingested.run_id)}, JSON)

    return ingest


async def _uploads(reader: MultipartReader) -> AsyncIterator[Upload]:
    """The parts named files; parts named labels and private are for all that follow, version_of for the next."""
    labels: list[str] = []
    version_of, private = "", False
    files = 0
    async for part in reader.parts():
        if part.name == LABELS and part.filename is None:
            labels = [*labels, await part.text(_LONGEST_LABEL)]
            if len(labels) > _MOST_LABELS:
                raise _refused(LABELS, f"may be given {_MOST_LABELS} times at most")
        elif part.name == VERSION_OF and part.filename is None:
            version_of = await part.text(_LONGEST_ID)
        elif part.name == PRIVATE and part.filename is None:
            private = _truth(await part.text(_LONGEST_TRUTH))
        elif part.name == FILES:
            files += 1
            if files > _MOST_FILES:
                raise _refused(FILES, f"may be given {_MOST_FILES} times at most")
            yield replace(_upload(part, labels), version_of=version_of, private=private)
            version_of = ""
        else:
            raise _unknown(part.name)


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise _refused(PRIVATE, "is true or false")
    return text == "true"


def _upload(part: Part, labels: list[str]) -> Upload:
    if not part.filename:
        raise _refused(FILES, "needs a file name")
    return Upload(part.filename, labels, _counted(part.chunks()))


async def _counted(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in content:
        metrics.UPLOADED.inc(len(piece))
        yield piece


def _body(ingested: Ingested[ingest_pb2.Source]) -> bytes:
    body: dict[str, Any] = {
        "run_id": ingested.run_id,
        "sources": [to_python(source) for source in ingested.sources],
        "rejected": [
            {"filename": one.filename, "error_code": one.error.reason.value, "message": one.error.message}
            for one in ingested.rejected
        ],
    }
    return orjson.dumps(body)


def _refused(part: str, problem: str) -> LaceError:
    return LaceError(Reason.INVALID_ARGUMENT, f"/{part}: {problem}.", details=[Detail(f"/{part}", problem)])


def _unknown(part: str) -> LaceError:
    near = difflib.get_close_matches(part, (FILES, LABELS, VERSION_OF, PRIVATE), n=1)
    problem = "no such part" + (f"; did you mean {near[0]}?" if near else f"; documents are parts named {FILES}")
    return LaceError(Reason.UNKNOWN_FIELD, f"/{part}: {problem}.", details=[Detail(f"/{part}", problem)])
