"""Messages: the request on the wire, in the ways in which models accept it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import orjson

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.anthropic.reading import TOOL, MessageReading
from lace_llm_gateway.adapters.anthropic.schema import wire_schema
from lace_llm_gateway.adapters.http.text import shape_wanted
from lace_llm_gateway.adapters.http.wire import HttpCall, Plainer
from lace_llm_gateway.domain.capabilities import capability_of
from lace_llm_gateway.domain.exchange import ProviderRequest

VERSION = "anthropic-version"
NEWEST = "2026-10-21"
_PATH = "/v1/messages"
# The newest version of the API knows no temperature; models that take one are asked in the version before.
_NEWEST, _WITH_TEMPERATURE = {VERSION: NEWEST}, {VERSION: "2023-06-01"}
# The ways to ask for JSON, best first: bound by the server, as the input of a tool, in words.
_MODES = ("format", "tool", "prompt")
_WEB_SEARCH = {"type": "web_search_20250305", "name": "web_search"}
_HOTTEST_MILLI = 1000
# Above this an answer may take longer than the ten minutes that the server allows to one that is not streamed:
# it counts an hour for 128,000 tokens.
_MOST_UNSTREAMED = 21_333
_ABOUT_SCHEMA = re.compile(
    r"output_config\.format\.schema|\bschema (?:is (?:invalid|too)|has|contains)|invalid schema", re.IGNORECASE
)
_ABOUT_FORMAT = re.compile(r"output_config|output_format|structured output|json_schema", re.IGNORECASE)
_ABOUT_TOOL = re.compile(r"tool_choice|\btools?\b", re.IGNORECASE)
_ABOUT_TEMPERATURE = re.compile(r"temperature", re.IGNORECASE)


@dataclass(frozen=True)
class MessagesDialect:
    """What a model accepts."""

    mode: int = 0
    temperature: bool = True

    def call(self, request: ProviderRequest, *, stream: bool) -> HttpCall:
        """The request on the wire. Raises LaceError INVALID_ARGUMENT for what the wire cannot say."""
        body = self._body(request, stream)
        return HttpCall(_PATH, orjson.dumps(body), _WITH_TEMPERATURE if "temperature" in body else _NEWEST)

    def reading(self, request: ProviderRequest) -> MessageReading:
        """Reads what is answered to that."""
        return MessageReading(request, as_tool=self._mode(request) == "tool")

    def plainer(self, said: str, request: ProviderRequest) -> Plainer | None:
        """What to try in place of what the server refused; None where the refusal is about something else."""
        if _ABOUT_TEMPERATURE.search(said) and self.temperature:
            return Plainer(replace(self, temperature=False))
        mode = self._mode(request)
        if mode == "format" and _ABOUT_FORMAT.search(said):
            return Plainer(replace(self, mode=1), lasting=not _ABOUT_SCHEMA.search(said))
        if mode == "tool" and _ABOUT_TOOL.search(said):
            return Plainer(replace(self, mode=2), lasting=not _ABOUT_SCHEMA.search(said))
        return None

    def _mode(self, request: ProviderRequest) -> str:
        """Empty without a schema. Citations of a search and a bound form exclude each other on this wire."""
        if request.output_schema is None:
            return ""
        if request.grounding:
            return "prompt"
        bound = wire_schema(orjson.dumps(request.output_schema)).strict
        return _MODES[self.mode if bound or self.mode else 1]

    def _body(self, request: ProviderRequest, stream: bool) -> dict[str, Any]:
        system = "\n\n".join(message.content for message in request.messages if message.role == "system")
        messages = [{"role": m.role, "content": m.content} for m in request.messages if m.role != "system"]
        if not messages:
            raise LaceError(Reason.INVALID_ARGUMENT, "The provider anthropic needs a message of the user.")
        body: dict[str, Any] = {
            "max_tokens": request.max_output_tokens,
            "messages": messages,
            "model": request.model,
        }
        if stream or request.max_output_tokens > _MOST_UNSTREAMED:
            body["stream"] = True
        if system:
            body["system"] = system
        if self.temperature and capability_of("anthropic").model(request.model).temperature:
            body["temperature"] = _temperature(request)
        if request.stop:
            body["stop_sequences"] = list(request.stop)
        if request.grounding:
            body["tools"] = [_WEB_SEARCH]
        self._ask_for_json(body, request)
        return body

    def _ask_for_json(self, body: dict[str, Any], request: ProviderRequest) -> None:
        mode = self._mode(request)
        if not mode:
            return
        given = orjson.dumps(request.output_schema)
        schema = wire_schema(given)
        if mode == "format":
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema.fragment}}
        elif mode == "tool":
            about = "Takes the answer; call it exactly once."
            body["tools"] = [{"name": TOOL, "description": about, "input_schema": schema.fragment}]
            body["tool_choice"] = {"type": "tool", "name": TOOL}
        else:
            body["messages"].append({"role": "user", "content": shape_wanted(schema.text)})


def _temperature(request: ProviderRequest) -> float:
    if request.temperature_milli > _HOTTEST_MILLI:
        raise LaceError(Reason.INVALID_ARGUMENT, "The provider anthropic knows temperatures up to 1.")
    return request.temperature_milli / 1000
