"""The whole OpenAPI document, gathered from the operations that the routes carry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lace_core.version import VERSION
from lace_gateway.api.openapi import by_hand, openai_operations
from lace_gateway.api.openapi.errors import PROBLEM, problem_schema, response_components
from lace_proto.descriptors import components

Schema = dict[str, Any]
Operation = tuple[str, str, Schema]  # path, verb in lower case, operation object

_TAGS = {
    "Sources": "Documents that you give: upload them, see what was read out of them, search in them.",
    "Bundles": "Named sets of sources, each change of which is a version that stays.",
    "Facts": "What sources state, one claim each, with the words that state it.",
    "Runs": "Work in progress: writing, outlining and reading are runs that you start, watch and control.",
    "Pipelines": "The steps that a run follows: those that ship, and those that you register.",
    "Events": "What happens in a run: as pages, or as a stream that can be resumed at any event.",
    "Artifacts": "Documents that LACE writes: revisions, sections, and sentences kept back for review.",
    "Paragraphs": "Paragraphs by specification: written out of allowed facts, verified, and made again.",
    "Reviews": "Sentences that the verification could not decide, and deciding them.",
    "History": "Git for documents: differences, logs, who wrote which sentence, branches, merges and tags.",
    "Evaluations": "Verdicts on any sentence and its evidence, and reports on how good verdicts are.",
    "Policies": "Rules of the organisation as versioned YAML: checked, explained, compared, and which of them holds.",
    "Suites": "Tests of documents: what they must answer, how they are built and worded, what they may not say.",
    "Publications": "Revisions that are out, and who let them go.",
    "Compile": "The files that readers get: md, docx, pdf and owl, with links to download them.",
    "Provenance": "What was made of what, by whom and how.",
    "Settings": "Tunables of the system, a tenant or a user, and what they come to.",
    "OpenAI-compatible": "For any OpenAI client: its own shapes and errors over the same calls and the same ledger.",
    "Templates": "Prompts that are written once, and what their runs gave, with all that proves it.",
    "Batches": "A template run for every locale, mode and replicate, held to one version of the model.",
    "Models": "Vectors of texts, and documents in the order of their relevance.",
    "Providers": "Models: what they can do, and whether they answer.",
    "Usage": "What model calls used and cost.",
    "Tokens": "Service tokens: make, list and revoke them.",
    "Dead letters": "Messages that no consumer could handle: see why, send them again, put them away.",
    "Tenants": "Tenants and their principals.",
    "Audit": "Who did what.",
    "Operations": "For whoever runs LACE.",
}
_DESCRIPTION = """\
LACE writes long documents out of your sources, and every sentence cites the span that supports it.

**In five steps**

1. Press *Authorize* and paste your token (`lace up` prints it).
2. `POST /v1/sources:ingest` uploads your documents and answers with a `run_id`.
3. `POST /v1/runs/generate` starts writing.
4. `GET /v1/runs/{run_id}/stream` shows the progress, `GET /v1/runs/{run_id}` the result.
5. `GET /v1/compiled/{artifact_id}` gives links to the files.

**Rules that hold everywhere**

- Every request but those under *Operations* and signed links needs `Authorization: Bearer <token>`.
- Requests that change something need an `Idempotency-Key`; sending the same one again does nothing twice.
- Work that takes time answers `202` with a `run_id`.
- Lists come in pages: send `next_page_token` as `page_token` until it is empty.
- Fields that are not in the schema are refused, with a hint where it is a misspelling.
- Every failure has the same form, `application/problem+json`, with a stable `error_code`.
"""


def openapi_document(operations: Iterable[Operation]) -> Schema:
    """The document as JSON values; readers see the operations in the order in which they come here."""
    paths: dict[str, Schema] = {}
    for path, verb, operation in operations:
        paths.setdefault(path, {})[verb] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "LACE",
            "version": VERSION,
            "summary": "Long, cited documents that can prove every sentence.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This gateway."}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": {
                **components([by_hand.event_descriptor()]),
                **by_hand.schemas(),
                **openai_operations.schemas(),
                PROBLEM: problem_schema(),
            },
            "responses": response_components(),
            "parameters": _parameters(),
            "headers": _headers(),
            "securitySchemes": _security_schemes(),
        },
    }


def _parameters() -> dict[str, Schema]:
    key = {"type": "string", "pattern": _KEY}
    tag = {"type": "string", "pattern": _ENTITY_TAG}
    return {
        "IdempotencyKey": {
            **_header("Idempotency-Key", "Names this request, quoted or bare; the same key does nothing twice.", key),
            "required": True,
            "example": "your-own-key-1",
        },
        "IfMatch": _header("If-Match", 'The ETag of the version that is to be changed, for instance "3".', tag),
        "IfNoneMatch": _header("If-None-Match", "The ETag of the version that you have; 304 says that it still holds."),
        "Prefer": _header("Prefer", "`respond-async` (RFC 7240): answer at once with 202, and with the result later."),
        "RequestId": _header("X-Request-Id", "Your id of this request; made where you give none.", _ID),
        "CorrelationId": _header("X-Correlation-Id", "Ties together several requests; the request id else.", _ID),
    }


_KEY = r'^(?:"(?:[ !#-\[\]-~]|\\["\\]){1,255}"|[!#-~]{1,255})$'
_ENTITY_TAG = r'^(?:(?:W/)?"[!#-~]*"|[!#-+\--~]+)$'
_ID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}$"}


def _header(name: str, description: str, schema: Schema | None = None) -> Schema:
    return {"name": name, "in": "header", "description": description, "schema": schema or {"type": "string"}}


def _headers() -> dict[str, Schema]:
    text = {"type": "string"}
    return {
        "RequestId": {"description": "The id of this request.", "schema": text},
        "CorrelationId": {"description": "The id that ties together all that this request caused.", "schema": text},
        "Location": {"description": "Path of what was made or started.", "schema": text},
        "ETag": {"description": "Names the version; for If-Match and If-None-Match.", "schema": text},
    }


def _security_schemes() -> dict[str, Schema]:
    return {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A service token; `lace up` prints one, `lace token create` makes more.",
        },
        "access_token": {
            "type": "apiKey",
            "in": "query",
            "name": "access_token",
            "description": "The same token in the query, for streams in browsers only.",
        },
    }
