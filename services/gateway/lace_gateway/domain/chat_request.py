"""POST /v1/chat/completions: what its body may hold, and a clear refusal of what cannot be done.

Fields that are not known are passed over, as OpenAI's clients expect. A known field that would change the answer and
that is not supported is refused, unless it says what happens anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from lace_core.errors import Detail, LaceError, Reason

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_MOST_STOPS = 4
_ANY_OBJECT = '{"type":"object"}'


class ContentPart(Struct):
    """A part of a message; text is the only kind that is taken."""

    type: str
    text: str = ""


class ChatMessage(Struct):
    """One message."""

    role: str
    content: str | list[ContentPart] | None = None
    tool_calls: list[Any] | None = None
    function_call: Any = None


class JsonSchema(Struct):
    """A schema for the answer, kept as it was written."""

    name: str = ""
    schema: msgspec.Raw = msgspec.Raw(b"")


class ResponseFormat(Struct):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(Struct):
    """How a stream is told."""

    include_usage: bool | None = None


class ChatRequest(Struct):
    """The body, as far as it is known here."""

    model: str
    messages: list[ChatMessage]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    response_format: ResponseFormat | None = None
    stop: str | list[str] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    n: int | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    tool_choice: Any = None
    function_call: Any = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: dict[str, float] | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    audio: Any | UnsetType = UNSET
    modalities: list[str] | None = None
    web_search_options: Any | UnsetType = UNSET
    prediction: Any | UnsetType = UNSET

    @property
    def wants_usage(self) -> bool:
        """Whether the stream is to end with a chunk of token counts."""
        return bool(self.stream_options and self.stream_options.include_usage)


_decoder = msgspec.json.Decoder(ChatRequest)


def chat_request(body: bytes) -> ChatRequest:
    """The request; raises LaceError INVALID_ARGUMENT that names the field."""
    request: ChatRequest = decoded(_decoder, body)
    for field, problem in _unsupported(request):
        raise refused(field, problem)
    return request


def decoded(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """The body as the decoder's type; raises LaceError INVALID_ARGUMENT that names the field."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").lstrip(".") or None
        raise refused(field or "", f"{problem[:1].lower()}{problem[1:]}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LaceError(Reason.INVALID_ARGUMENT, f"The body is not JSON: {error}.") from None


def refused(field: str, problem: str) -> LaceError:
    """The answer to a field that cannot be taken."""
    message = f"{field}: {problem}." if field else f"{problem[:1].upper()}{problem[1:]}."
    return LaceError(Reason.INVALID_ARGUMENT, message, details=[Detail(field, problem)])


def texts_of(request: ChatRequest) -> Iterator[tuple[str, str]]:
    """Role and text of each message; raises LaceError INVALID_ARGUMENT."""
    if not request.messages:
        raise refused("messages", "must hold at least one message")
    for number, message in enumerate(request.messages):
        where = f"messages[{number}]"
        if message.role not in _ROLES:
            raise refused(f"{where}.role", f"{message.role!r} is not supported; use {', '.join(_ROLES)}")
        if message.tool_calls or message.function_call:
            raise refused(f"{where}.tool_calls", "tools are not supported")
        yield _ROLES[message.role], _text_of(message.content, where)


def output_schema_of(request: ChatRequest) -> str:
    """The JSON Schema of the answer as JSON; empty for text. Raises LaceError INVALID_ARGUMENT."""
    wanted = request.response_format
    if wanted is None or wanted.type == "text":
        return ""
    if wanted.type == "json_object":
        return _ANY_OBJECT
    schema = bytes(wanted.json_schema.schema).decode() if wanted.json_schema else ""
    if not schema or schema == "null":
        raise refused("response_format.json_schema.schema", "is missing")
    return schema


def stops_of(request: ChatRequest) -> list[str]:
    """The stop sequences; raises LaceError INVALID_ARGUMENT."""
    stops = [request.stop] if isinstance(request.stop, str) else list(request.stop or ())
    if len(stops) > _MOST_STOPS or not all(stops):
        raise refused("stop", f"takes up to {_MOST_STOPS} texts, none of them empty")
    return stops


def temperature_of(request: ChatRequest) -> int | None:
    """In thousandths; None where it is left to the settings. Raises LaceError INVALID_ARGUMENT."""
    if request.temperature is None:
        return None
    if not 0 <= request.temperature <= 2:
        raise refused("temperature", "must be from 0 to 2")
    return round(request.temperature * 1000)


def max_output_tokens_of(request: ChatRequest) -> int:
    """Tokens out at most; 0 where it is left to the settings. Raises LaceError INVALID_ARGUMENT."""
    for field in ("max_completion_tokens", "max_tokens"):
        given: int | None = getattr(request, field)
        if given is not None:
            if not 1 <= given < 1 << 31:
                raise refused(field, "must be a positive number")
            return given
    return 0


def _text_of(content: str | list[ContentPart] | None, where: str) -> str:
    if isinstance(content, list):
        for number, part in enumerate(content):
            if part.type != "text":
                raise refused(f"{where}.content[{number}].type", f"{part.type!r} is not supported; send text")
        content = "".join(part.text for part in content)
    text = content or ""
    if "\0" in text:
        raise refused(f"{where}.content", "may not hold the character U+0000")
    return text


def _unsupported(request: ChatRequest) -> Iterator[tuple[str, str]]:
    """What is asked for and cannot be done, with the reason."""
    if request.tools or request.functions:
        yield ("tools" if request.tools else "functions"), "tools are not supported"
    if request.tool_choice not in (None, "none", "auto") or request.function_call not in (None, "none", "auto"):
        yield "tool_choice", "tools are not supported"
    if request.n not in (None, 1):
        yield "n", "one answer at a time: leave it out or send 1"
    if request.logprobs or request.top_logprobs:
        yield "logprobs", "log probabilities are not supported"
    if request.audio not in (UNSET, None) or any(kind != "text" for kind in request.modalities or ()):
        yield "modalities", "text is the only modality"
    for field in ("web_search_options", "prediction"):
        if getattr(request, field) not in (UNSET, None):
            yield field, "is not supported"
    if request.logit_bias:
        yield "logit_bias", "is not supported"
    for field, usual in (("top_p", 1), ("presence_penalty", 0), ("frequency_penalty", 0)):
        if getattr(request, field) not in (None, usual):
            yield field, f"is not supported; leave it out or send {usual}"
