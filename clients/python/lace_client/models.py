"""Calling models: answers in one or as a stream, vectors of texts, documents in the order of their relevance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from lace.llm_gateway.v1 import models_pb2
from lace_client.events import frames, lines
from lace_client.transport import LaceApiError, Transport, checked, failure_of, unreachable
from lace_core.errors import Reason
from lace_proto.json import from_json

_COMPLETIONS = "/v1/chat/completions"
_DONE = b"[DONE]"
_LONGEST_S = 600.0


@dataclass(frozen=True)
class Answer:
    """What a model said, which one it was, why it stopped, and the call in the ledger."""

    text: str
    model: str
    finish_reason: str
    call_id: str
    input_tokens: int
    output_tokens: int


@dataclass
class AnswerStream:
    """The pieces of an answer as they come, to be gone through once; `answer` is the whole of it, once it has ended."""

    pieces: Iterator[str]
    answer: Answer | None = field(default=None)

    def __iter__(self) -> Iterator[str]:
        return self.pieces


class Models:
    """The models behind the API; see `LaceClient.models`. Every method raises LaceApiError.

    A model is named `provider/model`, or alone where it is one of the provider that the settings name.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def generate(
        self,
        messages: str | Sequence[Mapping[str, str]],
        *,
        model: str = "",
        temperature: float | None = None,
        max_output_tokens: int | None = None,
        output_schema: Mapping[str, Any] | None = None,
        stop: Sequence[str] = (),
        seed: int | None = None,
    ) -> Answer:
        """The answer to a question, or to messages of role (system, user, assistant) and content.

        With `output_schema`, a JSON Schema, the text is JSON that matches it. What is left out is the settings' own.
        A call that the provider may answer later is tried again; one whose connection broke is not, as it was perhaps
        paid for.
        """
        body = _body(messages, model, temperature, max_output_tokens, output_schema, stop, seed)
        found = orjson.loads(self._transport.ask(_COMPLETIONS, body, _LONGEST_S))
        [choice], usage = found["choices"], found["usage"]
        return Answer(
            text=choice["message"]["content"] or "",
            model=found["model"],
            finish_reason=choice["finish_reason"],
            call_id=found["id"],
            input_tokens=usage["prompt_tokens"],
            output_tokens=usage["completion_tokens"],
        )

    def stream(
        self,
        messages: str | Sequence[Mapping[str, str]],
        *,
        model: str = "",
        temperature: float | None = None,
        max_output_tokens: int | None = None,
        output_schema: Mapping[str, Any] | None = None,
        stop: Sequence[str] = (),
        seed: int | None = None,
    ) -> AnswerStream:
        """The same, told while it comes; an answer that breaks off raises, and never ends quietly."""
        body = _body(messages, model, temperature, max_output_tokens, output_schema, stop, seed)
        told = AnswerStream(iter(()))
        told.pieces = self._pieces({**body, "stream": True, "stream_options": {"include_usage": True}}, told)
        return told

    def embed(
        self, texts: Sequence[str], *, provider: str = "", model: str = "", dimensions: int = 0
    ) -> models_pb2.EmbedResponse:
        """A vector for each text, in order, and the call in the ledger."""
        body = {"texts": list(texts), "provider": provider, "model": model, "dimensions": dimensions}
        return from_json(models_pb2.EmbedResponse, self._transport.ask("/v1/embed", _said(body)), tolerant=True)

    def rerank(
        self, query: str, documents: Sequence[str], *, provider: str = "", model: str = "", top_n: int = 0
    ) -> models_pb2.RerankResponse:
        """The documents by their places, the best first, and the call in the ledger."""
        body = {"query": query, "documents": list(documents), "provider": provider, "model": model, "top_n": top_n}
        return from_json(models_pb2.RerankResponse, self._transport.ask("/v1/rerank", _said(body)), tolerant=True)

    def _pieces(self, body: Mapping[str, Any], told: AnswerStream) -> Iterator[str]:
        said: list[str] = []
        last: dict[str, Any] = {}
        try:
            with self._transport.ask_for_stream(_COMPLETIONS, body, _LONGEST_S) as response:
                for data in frames(lines(checked(response).iter_bytes())):
                    if data == _DONE:
                        told.answer = _whole(said, last)
                        return
                    event = orjson.loads(data)
                    if "error" in event:
                        raise failure_of(event, status=200)
                    # The last pieces say why it stopped, by which model, and what it took.
                    last.update({name: event[name] for name in ("model", "call_id", "usage") if event.get(name)})
                    for choice in event["choices"]:
                        last["finish_reason"] = choice["finish_reason"] or ""
                        if text := choice["delta"].get("content"):
                            said.append(text)
                            yield text
        except httpx.TransportError as error:
            raise unreachable("The answer's stream", error) from error
        raise _broken_off()


def _whole(said: list[str], last: Mapping[str, Any]) -> Answer:
    usage = last.get("usage", {})
    return Answer(
        text="".join(said),
        model=last.get("model", ""),
        finish_reason=last.get("finish_reason", ""),
        call_id=last.get("call_id", ""),
        input_tokens=usage.get("prompt_tokens", 0),
        output_tokens=usage.get("completion_tokens", 0),
    )


def _body(
    messages: str | Sequence[Mapping[str, str]],
    model: str,
    temperature: float | None,
    max_output_tokens: int | None,
    output_schema: Mapping[str, Any] | None,
    stop: Sequence[str],
    seed: int | None,
) -> dict[str, Any]:
    asked = [{"role": "user", "content": messages}] if isinstance(messages, str) else [dict(each) for each in messages]
    wanted = {"temperature": temperature, "max_completion_tokens": max_output_tokens, "seed": seed}
    body: dict[str, Any] = {"model": model, "messages": asked}
    body.update({name: value for name, value in wanted.items() if value is not None})
    if stop:
        body["stop"] = list(stop)
    if output_schema is not None:
        named = {"name": "output", "schema": dict(output_schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    return body


def _said(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value not in ("", 0)}


def _broken_off() -> LaceApiError:
    return LaceApiError(
        Reason.SERVICE_UNAVAILABLE,
        "The answer broke off before its end.",
        error_code=Reason.SERVICE_UNAVAILABLE.value,
        status=200,
        retryable=True,
    )
