"""OpenAI, and any server that speaks its chat completions: vLLM, Ollama, llama.cpp and others."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.openai_failures import lace_error
from lace_llm_gateway.adapters.openai_schema import schema_name, strict_schema
from lace_llm_gateway.adapters.openai_stream import Completion, read
from lace_llm_gateway.domain.exchange import FinishReason, ProviderAnswer, ProviderRequest

if TYPE_CHECKING:
    from openai import AsyncOpenAI

NAME = "openai"
_FINISH = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "content_filter": FinishReason.FILTER,
    "tool_calls": FinishReason.TOOL,
    "function_call": FinishReason.TOOL,
}
# The ways to ask for JSON, best first. What a server refuses is not tried again with it.
_MODES = ("json_schema", "json_object", "prompt")
_FENCE = re.compile(r"^\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*$", re.DOTALL)
_ABOUT_FORMAT = re.compile(r"response_format|json_schema|json_object|structured output|grammar", re.IGNORECASE)
_ABOUT_LIMIT = re.compile(r"max_completion_tokens", re.IGNORECASE)
_ABOUT_USAGE = re.compile(r"stream_options|include_usage", re.IGNORECASE)
_ABOUT_TEMPERATURE = re.compile(r"temperature", re.IGNORECASE)
_UNKEYED = "not-needed"


@dataclass(frozen=True)
class OpenAISettings:
    """Where the server is and how it is opened; an own server may need no key. The key is never shown."""

    api_key: str
    base_url: str
    model: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> OpenAISettings:
        """From the environment: LACE_OPENAI_API_KEY or OPENAI_API_KEY, and so on; LACE_LLM_MODEL or OPENAI_MODEL."""

        def first(*names: str) -> str:
            return next((environ[name].strip() for name in names if environ.get(name, "").strip()), "")

        return cls(
            api_key=first("LACE_OPENAI_API_KEY", "OPENAI_API_KEY"),
            base_url=first("LACE_OPENAI_BASE_URL", "OPENAI_BASE_URL"),
            model=first("LACE_LLM_MODEL", "OPENAI_MODEL"),
        )

    def __repr__(self) -> str:
        return f"OpenAISettings(base_url={self.base_url!r}, model={self.model!r})"


@dataclass(frozen=True)
class _Dialect:
    """What a server and model were found to accept."""

    mode: int = 0
    limit_name: str = "max_completion_tokens"
    temperature: bool = True
    usage: bool = True


class OpenAIProvider:
    """Calls /chat/completions; the SDK is loaded with the first call, its own retries are off."""

    name = NAME

    def __init__(self, settings: OpenAISettings) -> None:
        self._settings = settings
        self._client: AsyncOpenAI | None = None
        self._dialects: dict[str, _Dialect] = {}
        self.default_model = settings.model

    def configured(self) -> bool:
        """Whether there is a key, or a server of one's own."""
        return bool(self._settings.api_key or self._settings.base_url)

    async def complete(self, request: ProviderRequest) -> ProviderAnswer:
        """One answer. A server that refuses a way of asking is asked in the next plainer way, within the same try."""
        if not self.configured():
            raise LaceError(Reason.PROVIDER_CREDENTIALS, "There is no key for the provider openai.")
        try:
            async with asyncio.timeout(request.timeout_s):
                return await self._negotiated(request)
        except TimeoutError:
            raise LaceError(
                Reason.PROVIDER_UNAVAILABLE,
                f"The provider did not answer within {request.timeout_s:.0f} s.",
                retryable=True,
            ) from None

    async def close(self) -> None:
        """Ends the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _negotiated(self, request: ProviderRequest) -> ProviderAnswer:
        import openai

        client = self._open()
        while True:
            dialect = self._dialects.get(request.model, _Dialect())
            try:
                completion = await read(await client.chat.completions.create(**_body(request, dialect)))
            except openai.BadRequestError as error:
                plainer = _plainer(dialect, error, request)
                if plainer is None:
                    raise lace_error(error) from error
                self._dialects[request.model] = plainer
                continue
            except (openai.OpenAIError, ValueError) as error:  # the SDK lets json's own error through
                raise lace_error(error) from error
            return _answer(completion, request)

    def _open(self) -> AsyncOpenAI:
        if self._client is None:
            from openai import AsyncOpenAI

            # The waiting and trying again is the use case's, in one place for all providers.
            self._client = AsyncOpenAI(
                api_key=self._settings.api_key or _UNKEYED,
                base_url=self._settings.base_url or None,
                max_retries=0,
                organization="",
                project="",
            )
        return self._client


def _body(request: ProviderRequest, dialect: _Dialect) -> dict[str, Any]:
    messages = [{"role": message.role, "content": message.content} for message in request.messages]
    body: dict[str, Any] = {
        "model": request.model,
        "messages": messages,
        dialect.limit_name: request.max_output_tokens,
        "timeout": request.timeout_s,
        "stream": True,
    }
    if dialect.usage:
        body["stream_options"] = {"include_usage": True}
    if dialect.temperature:
        body["temperature"] = request.temperature_milli / 1000
    if request.output_schema is None:
        return body
    schema = strict_schema(request.output_schema)
    mode = _MODES[dialect.mode]
    if mode == "json_schema":
        named = {"name": schema_name(request.contract), "strict": True, "schema": schema}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
        return body
    if mode == "json_object":
        body["response_format"] = {"type": "json_object"}
    shape = orjson.dumps(schema).decode()
    messages.append({"role": "user", "content": f"The JSON object must match this JSON Schema:\n{shape}"})
    return body


def _plainer(dialect: _Dialect, error: Any, request: ProviderRequest) -> _Dialect | None:
    """What to try in place of what the server refused; None where the refusal is about something else."""
    said = str(error)
    if _ABOUT_USAGE.search(said) and dialect.usage:
        return replace(dialect, usage=False)
    if _ABOUT_LIMIT.search(said) and dialect.limit_name == "max_completion_tokens":
        return replace(dialect, limit_name="max_tokens")
    if _ABOUT_TEMPERATURE.search(said) and dialect.temperature:
        return replace(dialect, temperature=False)
    if request.output_schema is not None and _ABOUT_FORMAT.search(said) and dialect.mode + 1 < len(_MODES):
        return replace(dialect, mode=dialect.mode + 1)
    return None


def _answer(completion: Completion, request: ProviderRequest) -> ProviderAnswer:
    finish = _FINISH.get(completion.finish_reason, FinishReason.UNKNOWN)
    return ProviderAnswer(
        text=_unfenced("".join(completion.text), request),
        finish_reason=FinishReason.REFUSAL if completion.refusal else finish,
        resolved_model=request.model,
        answered_model=completion.model,
        fingerprint=completion.fingerprint,
        response_id=completion.response_id,
        input_tokens=completion.input_tokens,
        output_tokens=completion.output_tokens,
    )


def _unfenced(text: str, request: ProviderRequest) -> str:
    """JSON without the fence that models put around it when they are only asked to."""
    found = _FENCE.match(text) if request.output_schema is not None else None
    return found[1] if found else text
