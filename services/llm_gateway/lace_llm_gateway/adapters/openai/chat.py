"""Chat completions: the request on the wire, and an answer put together from one body or from its pieces."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import msgspec
import orjson
from msgspec import Struct

from lace_llm_gateway.adapters.http import failures
from lace_llm_gateway.adapters.http.schema import schema_name
from lace_llm_gateway.adapters.http.text import shape_wanted, unfenced
from lace_llm_gateway.adapters.http.wire import HttpCall, Plainer
from lace_llm_gateway.adapters.openai.failures import in_stream
from lace_llm_gateway.adapters.openai.responses import ResponsesReading, responses_call
from lace_llm_gateway.adapters.openai.schema import wire_schema
from lace_llm_gateway.domain.capabilities import capability_of, finish_reason_of
from lace_llm_gateway.domain.exchange import FinishReason, ProviderAnswer, ProviderRequest

API = "chat_completions"
# The ways to ask for JSON, best first.
_MODES = ("json_schema", "json_object", "prompt")
_ABOUT_SCHEMA = re.compile(r"invalid schema|\bschema is (?:not|too)|unsupported (?:keyword|schema)", re.IGNORECASE)
_ABOUT_FORMAT = re.compile(r"response_format|json_schema|json_object|structured output|grammar", re.IGNORECASE)
_ABOUT_LIMIT = re.compile(r"max_completion_tokens", re.IGNORECASE)
_ABOUT_USAGE = re.compile(r"stream_options|include_usage", re.IGNORECASE)
_ABOUT_TEMPERATURE = re.compile(r"temperature", re.IGNORECASE)


@dataclass(frozen=True)
class ChatDialect:
    """What a server and model accept; `deployments` puts the model into the path, as Azure has it."""

    query: str = ""
    deployments: bool = False
    mode: int = 0
    limit_name: str = "max_completion_tokens"
    temperature: bool = True
    usage: bool = True

    def call(self, request: ProviderRequest, *, stream: bool) -> HttpCall:
        """The request on the wire; one with web search goes to /responses, which shows what was searched."""
        if request.grounding:
            path = f"{'/openai' if self.deployments else ''}/responses{self.query}"
            return responses_call(
                path, request, temperature=self.temperature and takes_temperature(request), stream=stream
            )
        place = f"/openai/deployments/{request.model}" if self.deployments else ""
        return HttpCall(f"{place}/chat/completions{self.query}", orjson.dumps(self._body(request, stream)))

    def reading(self, request: ProviderRequest) -> ChatReading | ResponsesReading:
        """Reads what is answered to that."""
        return ResponsesReading(request) if request.grounding else ChatReading(request)

    def plainer(self, said: str, request: ProviderRequest) -> Plainer | None:
        """What to try in place of what the server refused; None where the refusal is about something else."""
        if _ABOUT_USAGE.search(said) and self.usage:
            return Plainer(replace(self, usage=False))
        if _ABOUT_LIMIT.search(said) and self.limit_name == "max_completion_tokens":
            return Plainer(replace(self, limit_name="max_tokens"))
        if _ABOUT_TEMPERATURE.search(said) and self.temperature:
            return Plainer(replace(self, temperature=False))
        formatted = request.output_schema is not None and _ABOUT_FORMAT.search(said)
        if formatted and self.mode + 1 < len(_MODES):
            # One schema that a model cannot be bound to says nothing about the next.
            return Plainer(replace(self, mode=self.mode + 1), lasting=not _ABOUT_SCHEMA.search(said))
        return None

    def _body(self, request: ProviderRequest, stream: bool) -> dict[str, Any]:
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        body: dict[str, Any] = {"messages": messages, "model": request.model}
        body[self.limit_name] = request.max_output_tokens
        if stream:
            body["stream"] = True
            if self.usage:
                body["stream_options"] = {"include_usage": True}
        if self.temperature and takes_temperature(request):
            body["temperature"] = request.temperature_milli / 1000
        if request.stop:
            body["stop"] = list(request.stop)
        if request.seed is not None:
            body["seed"] = request.seed
        if request.output_schema is not None:
            self._ask_for_json(body, request)
        return body

    def _ask_for_json(self, body: dict[str, Any], request: ProviderRequest) -> None:
        schema = wire_schema(orjson.dumps(request.output_schema))
        mode = _MODES[self.mode]
        if mode == "json_schema":
            named = {"name": schema_name(request.contract), "strict": schema.strict, "schema": schema.fragment}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
            return
        if mode == "json_object":
            body["response_format"] = {"type": "json_object"}
        body["messages"].append({"role": "user", "content": shape_wanted(schema.text)})


def takes_temperature(request: ProviderRequest) -> bool:
    """Whether the model is not known to refuse a temperature, as those that reason do."""
    return _takes_temperature(request.model)


@lru_cache(maxsize=1024)
def _takes_temperature(model: str) -> bool:
    return capability_of("openai").model(model).temperature


class _Said(Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(Struct):
    message: _Said | None = None
    delta: _Said | None = None
    finish_reason: str | None = None


class _Cached(Struct):
    cached_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Cached | None = None


class _Completion(Struct):
    id: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_DECODER = msgspec.json.Decoder(_Completion, strict=False)


class ChatReading:
    """See adapters.http.wire.Reading."""

    def __init__(self, request: ProviderRequest) -> None:
        self._request = request
        self._text: list[str] = []
        self._seen = _Completion()
        self._begun = False
        self._refused = False
        self._finish = ""
        self._in_one = False
        self.ended = False

    def whole(self, body: bytes) -> None:
        """A completion that came in one, whose end is the end of the body."""
        found = _DECODER.decode(body)
        self._add(found)
        if not self._begun:
            raise ValueError("no completion")
        self._in_one = True

    def piece(self, data: bytes) -> str:
        """A chunk of one."""
        if data == b"[DONE]":
            self.ended = True
            return ""
        return self._add(_DECODER.decode(data))

    def answer(self) -> ProviderAnswer:
        """An answer is one once its finish reason has come; a stream that ends without is none, [DONE] or not."""
        if not self._begun:
            raise failures.no_answer()
        if not self._finish and not self._in_one:
            raise failures.broken_off()
        seen, usage = self._seen, self._seen.usage or _Usage()
        cached = usage.prompt_tokens_details
        return ProviderAnswer(
            text=unfenced("".join(self._text), self._request),
            finish_reason=FinishReason.REFUSAL if self._refused else finish_reason_of("openai", self._finish),
            resolved_model=self._request.model,
            answered_model=seen.model or "",
            fingerprint=seen.system_fingerprint or "",
            response_id=seen.id or "",
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.completion_tokens,
            cached_input_tokens=(cached.cached_tokens or 0) if cached else 0,
            response_api=API,
        )

    def _add(self, found: _Completion) -> str:
        if found.error:
            raise in_stream(found.error)
        seen = self._seen
        seen.id, seen.model = found.id or seen.id, found.model or seen.model
        seen.system_fingerprint = found.system_fingerprint or seen.system_fingerprint
        seen.usage = found.usage or seen.usage
        return self._choose(found.choices[0]) if found.choices else ""

    def _choose(self, choice: _Choice) -> str:
        said = choice.delta or choice.message
        self._finish = choice.finish_reason or self._finish
        if said is None:
            return ""
        self._begun = True
        self._refused = self._refused or bool(said.refusal)
        if said.content:
            self._text.append(said.content)
        return said.content or ""
