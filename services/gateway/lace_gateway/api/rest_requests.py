"""A request's path, query, headers and JSON body as the message that its method takes."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from google.protobuf.message import Message
from starlette.requests import ClientDisconnect, Request

from lace_core.errors import Detail, LaceError, Reason
from lace_gateway.domain.request_headers import if_match_of, preferred_format, prefers_async
from lace_gateway.domain.settings import GatewaySettings
from lace_proto.descriptors import Parameter, RestMethod
from lace_proto.json import from_python, from_text, parse

_JSON = "application/json"


async def read_message(method: RestMethod, request: Request, settings: GatewaySettings) -> Message:
    """The message; raises LaceError with a pointer for each thing that is wrong."""
    body = await _read_json(request, settings) if method.body else {}
    values = body if method.body in ("", "*") else {method.body: body}
    if not isinstance(values, dict):
        raise LaceError(Reason.INVALID_ARGUMENT, "The body must be a JSON object.")
    _add_path(method, request, values)
    _add_query(method, request, values)
    _add_etag(method, request, values)
    _add_preference(method, request, values)
    _add_format(method, request, values)
    _refuse_nul(values)
    return from_python(method.input_class, values, max_depth=settings.max_json_depth)


def takes_preference(method: RestMethod) -> bool:
    """Whether `Prefer: respond-async` means something to the method."""
    return "respond_async" in method.input.fields_by_name


def takes_format(method: RestMethod) -> bool:
    """Whether the method answers in other forms than JSON, too."""
    return "format" in method.input.fields_by_name and "rendered" in method.output.fields_by_name


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body; raises BODY_TOO_LARGE as soon as that is clear."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    held = bytearray()
    try:
        async for chunk in request.stream():
            held += chunk
            if len(held) > limit:
                raise _too_large(limit)
    except ClientDisconnect:
        raise client_gone() from None
    return bytes(held)


def client_gone() -> LaceError:
    """For the log: nobody is there any more to read it."""
    return LaceError(Reason.INVALID_ARGUMENT, "The request broke off before its end.")


async def _read_json(request: Request, settings: GatewaySettings) -> Any:
    """What the body holds; an absent one stands for `{}`, so that a verb without arguments needs none."""
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    kind = media_type.strip().lower()
    if kind and kind != _JSON and not (kind.startswith("application/") and kind.endswith("+json")):
        raise LaceError(Reason.UNSUPPORTED_MEDIA_TYPE, f"Send {_JSON}, not {kind[:100]}.")
    if "charset" in parameters.lower() and "utf-8" not in parameters.lower():
        raise LaceError(Reason.UNSUPPORTED_MEDIA_TYPE, f"Send {_JSON} in UTF-8.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise LaceError(Reason.UNSUPPORTED_MEDIA_TYPE, "Send the body without a content encoding.")
    body = await read_body(request, settings.max_body_bytes)
    return parse(body, max_depth=settings.max_json_depth) if body.strip() else {}


def _add_path(method: RestMethod, request: Request, values: dict[str, Any]) -> None:
    for parameter in method.path_fields:
        if parameter.name in values:
            raise _given_twice(parameter.name, "the path")
        values[parameter.name] = _from_text(parameter, [request.path_params[parameter.name]])


def _add_query(method: RestMethod, request: Request, values: dict[str, Any]) -> None:
    """What the method does not know stays as text, and is refused as unknown together with what else is."""
    query = request.scope["query_string"]
    if not query:
        return
    known = {parameter.name: parameter for parameter in method.query_fields}
    given: dict[str, list[str]] = {}
    for name, text in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        given.setdefault(name, []).append(text)
    for name, texts in given.items():
        if name in values:
            raise _given_twice(name, "the path or the body")
        if name not in known and name in method.input.fields_by_name:
            raise _given_twice(name, "the body")
        values[name] = _from_text(known[name], texts) if name in known else texts[-1]


def _add_etag(method: RestMethod, request: Request, values: dict[str, Any]) -> None:
    given = request.headers.get("if-match")
    if given is None or not method.rest.etag or "etag" not in method.input.fields_by_name:
        return
    etag = if_match_of(given)
    if etag and values.get("etag", etag) != etag:
        raise _given_twice("etag", "If-Match")
    if etag:
        values["etag"] = etag


def _add_preference(method: RestMethod, request: Request, values: dict[str, Any]) -> None:
    """`Prefer: respond-async` (RFC 7240) as the field of that name, where the method has it."""
    if prefers_async(request.headers.getlist("prefer")) and takes_preference(method):
        values["respond_async"] = True


def _add_format(method: RestMethod, request: Request, values: dict[str, Any]) -> None:
    """What the Accept header prefers, where the method has several forms and the query names none."""
    if takes_format(method) and not values.get("format"):
        values["format"] = preferred_format(request.headers.get("accept", ""))


def _refuse_nul(value: Any, pointer: str = "") -> None:
    """Postgres cannot hold U+0000 in a text, so no service takes it: said here, once for all fields."""
    if isinstance(value, str):
        if "\0" in value:
            problem = "may not hold the character U+0000"
            raise LaceError(Reason.INVALID_ARGUMENT, f"{pointer}: {problem}.", details=[Detail(pointer, problem)])
    elif isinstance(value, dict):
        for name, member in value.items():
            _refuse_nul(name, pointer)
            _refuse_nul(member, f"{pointer}/{name}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            _refuse_nul(member, f"{pointer}/{index}")


def _from_text(parameter: Parameter, texts: list[str]) -> Any:
    return from_text(parameter.field, texts)


def _given_twice(name: str, where: str) -> LaceError:
    problem = f"is given by {where}"
    return LaceError(Reason.INVALID_ARGUMENT, f"/{name}: {problem}.", details=[Detail(f"/{name}", problem)])


def _too_large(limit: int) -> LaceError:
    size = f"{limit / (1 << 20):.4g} MiB" if limit >= 1 << 19 else f"{limit} bytes"
    return LaceError(Reason.BODY_TOO_LARGE, f"The body is larger than {size}.")
