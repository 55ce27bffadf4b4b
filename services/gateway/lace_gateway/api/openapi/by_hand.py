"""OpenAPI of the endpoints that no single method of the contract stands behind."""

from __future__ import annotations

from typing import Any

from lace.common.v1 import event_pb2
from lace.ingest.v1 import ingest_pb2
from lace_gateway.api.openapi.errors import error_responses
from lace_gateway.api.openapi.example_values import example_of
from lace_gateway.api.openapi.examples import ARTIFACT, EVENT, RUN
from lace_gateway.api.openapi.examples_suites import JUNIT as _JUNIT
from lace_gateway.api.openapi.examples_suites import TEST
from lace_gateway.api.openapi.operations import header
from lace_proto.descriptors import reference

Schema = dict[str, Any]

INGESTED = "gateway.Ingested"
HEALTH = "gateway.Health"
READINESS = "gateway.Readiness"
WELCOME = "gateway.Welcome"

_IDS = [header("RequestId"), header("CorrelationId")]
_TEXT: Schema = {"type": "string"}


def ingest() -> Schema:
    """POST /v1/sources:ingest."""
    parts: Schema = {
        "type": "object",
        "properties": {
            "files": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "string", "contentMediaType": "application/octet-stream"},
                "description": "The documents, one part each, with their file names: md, txt, json, docx or pdf.",
            },
            "labels": {
                "type": "array",
                "items": {"type": "string", "maxLength": 64},
                "description": "Security labels of the documents that follow in the request.",
            },
            "version_of": {
                "type": "string",
                "maxLength": 64,
                "description": "A source that the next document in the request is a newer version of.",
            },
            "private": {
                "type": "boolean",
                "description": "Whether the documents that follow in the request are for you alone.",
            },
        },
        "required": ["files"],
    }
    return {
        "operationId": "gateway_IngestSources",
        "summary": "Uploads documents and starts the run that reads them",
        "description": (
            "Send the documents as multipart/form-data, one part named `files` for each. They are stored as they "
            "come in; one that cannot be taken is listed under `rejected` and does not hold up the others. The run "
            "of the pipeline `ingest` then reads them; when it has succeeded, the sources are `ready`.\n\n"
            "Needs the scopes `sources:write` and `runs:write`, and an `Idempotency-Key`.\n\n"
            "```\ncurl -H 'Authorization: Bearer …' -H 'Idempotency-Key: upload-1' "
            "-F files=@study.pdf -F files=@notes.md …/v1/sources:ingest\n```"
        ),
        "tags": ["Sources"],
        "parameters": [header("IdempotencyKey"), *_IDS],
        "requestBody": {
            "required": True,
            "description": "The documents.",
            "content": {"multipart/form-data": {"schema": parts}},
        },
        "responses": {
            "202": {
                "description": "Taken on; watch the run at `Location`.",
                "headers": {"Location": {"$ref": "#/components/headers/Location"}},
                "content": {"application/json": {"schema": _schema(INGESTED), "example": _ingested_example()}},
            },
            **error_responses(400, 401, 403, 409, 413, 415, 422, 500, 503, 504),
        },
        "security": [{"bearer": []}],
    }


def stream() -> Schema:
    """GET /v1/runs/{run_id}/stream."""
    frame = f"id: {EVENT}\nevent: pipeline.step.completed\ndata: {{…the event as JSON…}}\n\n: heartbeat\n\n"
    return {
        "operationId": "gateway_StreamRun",
        "summary": "The events of a run as they happen, as server-sent events or over a WebSocket",
        "description": (
            "Gives the events after a cursor, then new ones as they happen, and ends after the run's last event. "
            "Every event comes once and in order; `data` is the event as `GET /v1/runs/{run_id}/events` gives it. "
            "A comment comes as heartbeat while nothing happens. To resume, send the id of the last event that you "
            "have as `Last-Event-ID` (browsers do so by themselves) or `after_event_id`. When the run has ended and "
            "there is nothing after the cursor, the answer is 204, which tells a browser to stop.\n\n"
            "**WebSocket**: open the same address with `ws://`. Each message is a JSON object "
            '`{"id", "event", "data"}`, a heartbeat is `{"event":"heartbeat"}`, and the server closes with 1000 '
            "after the last event, 1008 where the token is not good any more, 1012 where it stops and you should "
            "come again with the last id. What is wrong before is answered over HTTP. The token goes into "
            "`Authorization`, or, from a browser, into a second subprotocol: "
            "`new WebSocket(url, ['lace.events.v1', 'bearer.' + token])`.\n\n"
            "**Browsers' EventSource** cannot set headers: give `access_token` in the query. Make a token of a few "
            "minutes and the scope `runs:read` for that; it is never logged here.\n\n"
            "Needs the scope `runs:read`."
        ),
        "tags": ["Events"],
        "parameters": [
            _parameter("run_id", "path", "The run.", RUN),
            _parameter("after_event_id", "query", "The event after which to begin; the first where empty."),
            _parameter("schema_version", "query", "The event schema that you understand; the newest where left out."),
            _parameter("Last-Event-ID", "header", "The same as after_event_id, and stronger."),
            _parameter("access_token", "query", "A token, for callers that cannot set headers."),
            *_IDS,
        ],
        "responses": {
            "200": {
                "description": "The stream.",
                "content": {"text/event-stream": {"schema": dict(_TEXT), "example": frame}},
            },
            "101": {"description": "Switching to the WebSocket protocol."},
            "204": {"description": "The run has ended, and there is nothing after the cursor."},
            **error_responses(400, 401, 403, 404, 500, 503, 504),
        },
        "security": [{"bearer": []}, {"access_token": []}],
    }


def download() -> Schema:
    """GET /v1/blobs/{token}."""
    return {
        "operationId": "gateway_DownloadBlob",
        "summary": "Downloads a file by a signed link",
        "description": (
            "The link comes from another answer, for instance `download_url` of `GET /v1/compiled/{artifact_id}`. "
            "It needs no token, is good for one file and some minutes, and cannot be changed."
        ),
        "tags": ["Compile"],
        "parameters": [_parameter("token", "path", "The last part of the link.", "WyJsYWNlLWNvbXBpbGVkIl0.5sT1v2q8")],
        "responses": {
            "200": {
                "description": "The file.",
                "headers": {"Content-Disposition": {"description": "The name to save it under.", "schema": _TEXT}},
                "content": {
                    "application/octet-stream": {
                        "schema": {"type": "string", "contentMediaType": "application/octet-stream"}
                    }
                },
            },
            **error_responses(403, 404, 410, 500, 503),
        },
        "security": [],
    }


def test_report() -> Schema:
    """GET /v1/artifacts/{artifact_id}/tests/{test_id}/junit.xml."""
    return {
        "operationId": "gateway_GetTestReport",
        "summary": "A test of a document as JUnit XML",
        "description": "What `GET /v1/artifacts/{artifact_id}/tests/{test_id}` says, with a test case for each check.",
        "tags": ["Suites"],
        "parameters": [
            _parameter("artifact_id", "path", "The artifact.", ARTIFACT),
            _parameter("test_id", "path", "The test.", TEST),
        ],
        "responses": {
            "200": {
                "description": "The file.",
                "content": {"application/xml": {"schema": {"type": "string"}, "example": _JUNIT}},
            },
            **error_responses(401, 403, 404, 429, 500, 503),
        },
    }


def live() -> Schema:
    """GET /health/live."""
    return _open("Live", "Whether the gateway runs", HEALTH, {"status": "ok"}, "It runs.")


def ready() -> Schema:
    """GET /health/ready."""
    example = {"status": "ready", "services": {"control": "serving", "runs": "serving"}}
    found = _open("Ready", "Whether the gateway and the services behind it answer", READINESS, example, "All answer.")
    found["responses"].update(error_responses(503))
    return found


def metrics() -> Schema:
    """GET /metrics."""
    found = _open("Metrics", "Figures of the process for Prometheus", "", None, "The figures.")
    example = 'lace_gateway_requests_total{method="GET",route="/v1/runs",status="200"} 12.0\n'
    found["responses"]["200"]["content"] = {"text/plain": {"schema": dict(_TEXT), "example": example}}
    return found


def welcome() -> Schema:
    """GET /."""
    example = {"name": "LACE", "read": "/read", "docs": "/docs", "openapi": "/openapi.json", "health": "/health/ready"}
    found = _open("Welcome", "Where to go from here", WELCOME, example, "The addresses to begin with.")
    found["responses"]["307"] = {"description": "A browser is sent to /read."}
    return found


def schemas() -> dict[str, Schema]:
    """components/schemas of these endpoints."""
    rejected = _object(
        "A document that was not taken.",
        filename={**_TEXT, "description": "File name as given."},
        error_code={**_TEXT, "description": "Stable code of the cause."},
        message={**_TEXT, "description": "What is wrong and what to do."},
    )
    states = {"type": "string", "enum": ["serving", "not_serving", "unreachable"], "description": "One service."}
    return {
        INGESTED: _object(
            "What came of an upload.",
            run_id={**_TEXT, "description": "The run that reads the documents."},
            sources={
                "type": "array",
                "items": reference(ingest_pb2.Source.DESCRIPTOR),
                "description": "The documents that were taken, in the order of the request.",
            },
            rejected={"type": "array", "items": rejected, "description": "The documents that were not."},
        ),
        HEALTH: _object("A sign of life.", status={**_TEXT, "const": "ok", "description": "Always ok."}),
        READINESS: _object(
            "What can be reached.",
            status={**_TEXT, "const": "ready", "description": "Always ready; anything else is an error."},
            services={"type": "object", "additionalProperties": states, "description": "States by service."},
        ),
        WELCOME: _object(
            "The addresses to begin with.",
            name={**_TEXT, "description": "LACE."},
            read={**_TEXT, "description": "The page on which people read documents and watch runs."},
            docs={**_TEXT, "description": "The page that explains the API and lets you try it."},
            openapi={**_TEXT, "description": "The API as an OpenAPI document."},
            health={**_TEXT, "description": "Whether everything is up."},
        ),
    }


def event_descriptor() -> Any:
    """What the stream's `data` holds; no operation names it."""
    return event_pb2.RunEvent.DESCRIPTOR


def _open(name: str, summary: str, schema: str, example: Any, success: str) -> Schema:
    content = {"application/json": {"schema": _schema(schema), "example": example}} if schema else {}
    return {
        "operationId": f"gateway_{name}",
        "summary": summary,
        "description": f"{summary}. Open without a token.",
        "tags": ["Operations"],
        "parameters": list(_IDS),
        "responses": {"200": {"description": success, "content": content}, **error_responses(500)},
        "security": [],
    }


def _object(description: str, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _parameter(name: str, place: str, description: str, example: str | None = None) -> Schema:
    found = {"name": name, "in": place, "required": place == "path", "description": description, "schema": dict(_TEXT)}
    return found if example is None else {**found, "example": example}


def _schema(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _ingested_example() -> Schema:
    rejected = {
        "filename": "figures.xlsx",
        "error_code": "SOURCE_FORMAT_UNSUPPORTED",
        "message": "figures.xlsx: use md, txt, json, docx or pdf.",
    }
    source = {**example_of(ingest_pb2.Source.DESCRIPTOR), "state": "pending", "unit_count": 0, "word_count": 0}
    return {"run_id": RUN, "sources": [source], "rejected": [rejected]}
