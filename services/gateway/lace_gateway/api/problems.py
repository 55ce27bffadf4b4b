"""Every failure as the envelope of its path: our own errors, the framework's, and the unexpected."""

from __future__ import annotations

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from lace_core.errors import LaceError, Reason
from lace_gateway.api.exchange import exchange_of
from lace_gateway.api.nearest_routes import nearest_paths
from lace_gateway.domain.openai_errors import openai_error_of, openai_headers_of, openai_status_of
from lace_gateway.domain.openai_paths import is_openai_path
from lace_gateway.domain.problem import MEDIA_TYPE, headers_of, problem_of, status_of

JSON = "application/json"
_REASONS = {
    400: Reason.INVALID_ARGUMENT,
    405: Reason.METHOD_NOT_ALLOWED,
    413: Reason.BODY_TOO_LARGE,
    415: Reason.UNSUPPORTED_MEDIA_TYPE,
}


def problem_response(error: LaceError, *, instance: str, correlation_id: str) -> Response:
    """The error as a response, in the form that the path speaks."""
    if is_openai_path(instance):
        return Response(orjson.dumps(openai_error_of(error)), openai_status_of(error), openai_headers_of(error), JSON)
    problem = problem_of(error, instance=instance, correlation_id=correlation_id)
    return Response(orjson.dumps(problem), status_of(error), headers_of(error), MEDIA_TYPE)


async def send_problem(error: LaceError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a request, or refuses a WebSocket, with the error."""
    exchange = exchange_of(scope)
    response = problem_response(error, instance=scope["path"], correlation_id=exchange.correlation_id)
    if scope["type"] == "http":
        await response(scope, receive, send)
    elif "websocket.http.response" in scope.get("extensions", {}):
        await response({**scope, "type": "websocket"}, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": error.reason.value})


async def on_lace_error(request: HTTPConnection, error: Exception) -> Response:
    """The framework's handler for LaceError; refusing a WebSocket is left to the edge."""
    if not isinstance(error, LaceError) or request.scope["type"] != "http":
        raise error
    return _answer(request, error)


async def on_http_exception(request: HTTPConnection, error: Exception) -> Response:
    """The framework's handler for what it refuses itself."""
    if not isinstance(error, HTTPException) or request.scope["type"] != "http":
        raise error
    if error.status_code == 404:
        return _answer(request, _route_not_found(request.scope))
    if error.status_code != 405:
        return _answer(request, _translated(error))
    allowed = allowed_methods(request.scope)
    response = _answer(request, _method_not_allowed(request.scope["method"], allowed))
    response.headers["allow"] = ", ".join(allowed)
    return response


async def on_unexpected(request: HTTPConnection, error: Exception) -> Response:
    """The framework's handler for everything else, which it raises again afterwards: the edge logs it."""
    return _answer(request, unexpected(exchange_of(request.scope).correlation_id))


def allowed_methods(scope: Scope) -> list[str]:
    """The methods that the path takes, over all routes."""
    routes = [route for route in scope["app"].routes if isinstance(route, Route)]
    matching = [route for route in routes if route.matches(scope)[0] is not Match.NONE]
    return sorted({method for route in matching for method in route.methods or ()})


def unexpected(correlation_id: str) -> LaceError:
    """What is said about a failure of our own: nothing but where to look for it."""
    return LaceError(Reason.INTERNAL, f"Something failed on our side; quote the correlation id {correlation_id}.")


def _answer(request: HTTPConnection, error: LaceError) -> Response:
    exchange = exchange_of(request.scope)
    return problem_response(error, instance=request.scope["path"], correlation_id=exchange.correlation_id)


def _method_not_allowed(method: str, allowed: list[str]) -> LaceError:
    return LaceError(Reason.METHOD_NOT_ALLOWED, f"This path does not take {method}; it takes {', '.join(allowed)}.")


def _route_not_found(scope: Scope) -> LaceError:
    documented = [route.path_format for route in scope["app"].routes if isinstance(route, Route)]
    near = " or ".join(nearest_paths(scope["path"], documented))
    meant = f"did you mean {near}? The" if near else "the"
    return LaceError(Reason.ROUTE_NOT_FOUND, f"No such path; {meant} paths are listed at /docs.")


def _translated(error: HTTPException) -> LaceError:
    return LaceError(_REASONS.get(error.status_code, Reason.INTERNAL), f"{error.detail}.")
