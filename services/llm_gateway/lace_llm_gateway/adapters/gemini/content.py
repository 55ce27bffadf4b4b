"""generateContent: the request on the wire, in the ways in which models accept it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import orjson

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.gemini.reading import ContentReading
from lace_llm_gateway.adapters.gemini.schema import wire_schema
from lace_llm_gateway.adapters.http.text import shape_wanted
from lace_llm_gateway.adapters.http.wire import HttpCall, Plainer
from lace_llm_gateway.domain.exchange import ProviderRequest

# The ways to ask for JSON, best first.
_MODES = ("schema", "json", "prompt")
_ROLES = {"user": "user", "assistant": "model"}
_ABOUT_SCHEMA = re.compile(
    r"\bschema (?:is (?:invalid|too)|has|produces)|too many states|invalid.*schema", re.IGNORECASE
)
_ABOUT_FORMAT = re.compile(
    r"response_?(?:json_?)?schema|response_?mime_?type|json mode|controlled generation|function calling", re.IGNORECASE
)


@dataclass(frozen=True)
class ContentDialect:
    """What a model accepts."""

    mode: int = 0

    def call(self, request: ProviderRequest, *, stream: bool) -> HttpCall:
        """The request on the wire. Raises LaceError INVALID_ARGUMENT for what the wire cannot say."""
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        path = f"/v1/models/{quote(request.model.removeprefix('models/'), safe='')}:{verb}"
        return HttpCall(path, orjson.dumps(self._body(request)))

    def reading(self, request: ProviderRequest) -> ContentReading:
        """Reads what is answered to that."""
        return ContentReading(request)

    def plainer(self, said: str, request: ProviderRequest) -> Plainer | None:
        """What to try in place of what the server refused; None where the refusal is about something else."""
        if request.output_schema is None or not _ABOUT_FORMAT.search(said) or self.mode + 1 >= len(_MODES):
            return None
        # A search and a bound form exclude each other with some models: that says nothing about calls without search.
        plainer = replace(self, mode=2 if request.grounding else self.mode + 1)
        return Plainer(plainer, lasting=not request.grounding and not _ABOUT_SCHEMA.search(said))

    def _body(self, request: ProviderRequest) -> dict[str, Any]:
        system = [{"text": message.content} for message in request.messages if message.role == "system"]
        contents = [
            {"parts": [{"text": message.content}], "role": _ROLES[message.role]}
            for message in request.messages
            if message.role != "system"
        ]
        if not contents:
            raise LaceError(Reason.INVALID_ARGUMENT, "The provider gemini needs a message of the user.")
        generation: dict[str, Any] = {
            "maxOutputTokens": request.max_output_tokens,
            "temperature": request.temperature_milli / 1000,
        }
        if request.stop:
            generation["stopSequences"] = list(request.stop)
        if request.seed is not None:
            generation["seed"] = request.seed
        body: dict[str, Any] = {"contents": contents, "generationConfig": generation}
        if system:
            body["systemInstruction"] = {"parts": system}
        if request.grounding:
            body["tools"] = [{"googleSearch": {}}]
        if request.output_schema is not None:
            self._ask_for_json(body, generation, request)
        return body

    def _ask_for_json(self, body: dict[str, Any], generation: dict[str, Any], request: ProviderRequest) -> None:
        schema = wire_schema(orjson.dumps(request.output_schema))
        mode = _MODES[self.mode]
        if mode != "prompt":
            generation["responseMimeType"] = "application/json"
        if mode == "schema":
            generation["responseJsonSchema"] = schema.fragment
        else:
            body["contents"].append({"parts": [{"text": shape_wanted(schema.text)}], "role": "user"})
