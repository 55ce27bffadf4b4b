"""The FastAPI application: every route with its documentation, and the layers around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import grpc
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from lace.ingest.v1 import ingest_pb2
from lace_core.errors import LaceError
from lace_core.settings import SETTINGS
from lace_gateway.api import (
    documentation,
    downloads,
    event_streams,
    merge_patches,
    openai_api,
    problems,
    test_reports,
    uploads,
)
from lace_gateway.api.authentication import Authentication
from lace_gateway.api.edge import Edge
from lace_gateway.api.event_streams import EventStreams
from lace_gateway.api.openapi import by_hand, openai_operations
from lace_gateway.api.openapi.document import Schema, openapi_document
from lace_gateway.api.openapi.merge_patches import with_merge_patch
from lace_gateway.api.openapi.operations import operation_of
from lace_gateway.api.operations import Operations
from lace_gateway.api.rest_routes import Endpoint, in_matching_order, resource_paths, rest_endpoint, service_name
from lace_gateway.api.routing import IndexedRouter
from lace_gateway.app.authenticate import Authenticator
from lace_gateway.app.ports import Health, Sources
from lace_gateway.app.watch import RunFeeds
from lace_gateway.domain import openai_paths
from lace_gateway.domain.settings import GatewaySettings
from lace_platform.blobs import BlobStore
from lace_proto.descriptors import rest_methods

# Spans are made by what bootstrap puts around the application, where they are exported. The framework's own would look
# at each request whether somebody wants them, and keep silent beside those.
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}


@dataclass(frozen=True)
class Surroundings:
    """What the endpoints work with; `channels` by name of the service."""

    channels: Mapping[str, grpc.aio.Channel]
    authenticator: Authenticator
    feeds: RunFeeds
    sources: Sources[ingest_pb2.Source]
    blobs: BlobStore
    health: Health
    settings: Callable[[], GatewaySettings]
    allowed_origins: tuple[str, ...] = ()
    open_documentation: bool = True


def create_application(surroundings: Surroundings) -> FastAPI:
    """The routes, without the layers around them."""
    app = FastAPI(title="LACE", openapi_url=None, docs_url=None, redoc_url=None, telemetry=_NO_TELEMETRY)
    app.router = IndexedRouter(redirect_slashes=False)
    app.openapi = cache(lambda: openapi_document(_operations(app)))  # type: ignore[method-assign]
    app.add_exception_handler(LaceError, problems.on_lace_error)
    app.add_exception_handler(HTTPException, problems.on_http_exception)
    app.add_exception_handler(Exception, problems.on_unexpected)
    _add_routes_by_hand(app, surroundings)
    methods = rest_methods()
    locations = resource_paths(methods)
    for method in in_matching_order(methods):
        channel = surroundings.channels[service_name(method)]
        endpoint = rest_endpoint(method, channel, surroundings.settings, locations)
        if method.full_name == merge_patches.METHOD:
            endpoint = merge_patches.or_merge_patch(endpoint, channel, surroundings.settings)
        _add(app, method.http_verb, method.path, endpoint)
    return app


def guarded(app: FastAPI, surroundings: Surroundings) -> ASGIApp:
    """The application with what comes before routing: the edge, then authentication."""
    authentication = Authentication(app, surroundings.authenticator, open_documentation=surroundings.open_documentation)
    return Edge(authentication)


def _add_routes_by_hand(app: FastAPI, surroundings: Surroundings) -> None:
    operations = Operations(surroundings.health)
    _add(app, "GET", "/health/live", operations.live, by_hand.live())
    _add(app, "GET", "/health/ready", operations.ready, by_hand.ready())
    _add(app, "GET", "/metrics", operations.metrics, by_hand.metrics())
    _add(app, "GET", "/", operations.welcome, by_hand.welcome())
    _add(app, "POST", uploads.PATH, uploads.ingest_endpoint(surroundings.sources), by_hand.ingest())
    _add(app, "GET", downloads.PATH, downloads.download_endpoint(surroundings.blobs), by_hand.download())
    report = test_reports.report_endpoint(surroundings.channels["runs"], surroundings.settings)
    _add(app, "GET", test_reports.PATH, report, by_hand.test_report())
    streams = EventStreams(
        surroundings.feeds, surroundings.authenticator, surroundings.settings, surroundings.allowed_origins
    )
    _add(app, "GET", event_streams.PATH, streams.server_sent, by_hand.stream())
    app.router.add_websocket_route(event_streams.PATH, streams.websocket)
    _add_openai_routes(app, surroundings)
    _add_documentation(app)


def _add_openai_routes(app: FastAPI, surroundings: Surroundings) -> None:
    channel, settings = surroundings.channels["llm_gateway"], surroundings.settings
    chat = openai_api.chat_endpoint(channel, settings, SETTINGS["llm.provider"].choices)
    embeddings = openai_api.embeddings_endpoint(channel, settings, SETTINGS["llm.embedding_provider"].choices)
    _add(app, "POST", openai_paths.CHAT_COMPLETIONS, chat, openai_operations.chat())
    _add(app, "POST", openai_paths.EMBEDDINGS, embeddings, openai_operations.embeddings())
    _add(app, "GET", openai_paths.MODELS, openai_api.models_endpoint(channel), openai_operations.models())
    # Names of models hold slashes, as they are or as %2F.
    one = f"{openai_paths.MODELS}/{{model:path}}"
    _add(app, "GET", one, openai_api.model_endpoint(channel), openai_operations.model())


def _add_documentation(app: FastAPI) -> None:
    for path, endpoint in (
        ("/openapi.json", documentation.openapi_endpoint(app.openapi)),
        ("/docs", documentation.docs_page),
        (documentation.READER_PATH, documentation.reader_page),
        ("/docs/errors", documentation.error_catalogue),
        ("/docs/assets/{name}", documentation.docs_asset),
    ):
        app.add_api_route(path, endpoint, methods=["GET"], include_in_schema=False, response_model=None)


def _add(app: FastAPI, verb: str, path: str, endpoint: Endpoint, operation: Schema | None = None) -> None:
    """`operation` is for what is made by hand; the contract's own are worked out when the document is asked for."""
    app.add_api_route(
        path, endpoint, methods=[verb], openapi_extra=operation, response_model=None, response_class=Response
    )


def _operations(app: FastAPI) -> Iterator[tuple[str, str, Schema]]:
    """What is made by hand first, then the contract in its own order, which is the one to read it in."""
    documented = [route for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema]
    found = [(route.path_format, verb, route.openapi_extra) for route in documented for verb in route.methods or ()]
    yield from ((path, verb.lower(), operation) for path, verb, operation in found if operation)
    methods = rest_methods()
    locations, served = resource_paths(methods), {one[:2] for one in found}
    for method in methods:
        if (method.path, method.http_verb) in served:
            operation = operation_of(method, locations)
            is_merged = method.full_name == merge_patches.METHOD
            yield method.path, method.http_verb.lower(), with_merge_patch(operation) if is_merged else operation
