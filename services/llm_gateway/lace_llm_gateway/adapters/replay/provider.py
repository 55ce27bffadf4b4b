"""The provider itself: gives the answer that was recorded for an input and a model, and records where it may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.http.environment import first
from lace_llm_gateway.adapters.replay.identity import Prompt
from lace_llm_gateway.adapters.replay.recordings import Recordings
from lace_llm_gateway.app.ports import Provider
from lace_llm_gateway.domain.capabilities import capability_of
from lace_llm_gateway.domain.exchange import Delta, ProviderAnswer, ProviderRequest
from lace_llm_gateway.domain.versions import OfferedVersions

NAME = "replay"
_PIECE = 200


class ReplayProvider:
    """See app.ports.Provider. Where there is no recording, `source` is asked and recorded; without one that fails.

    Recorded are answers as the source gave them, whatever their finish reason; failures are not.
    """

    name = NAME

    def __init__(self, folder: Path | None, source: Provider | None = None) -> None:
        self._recordings = Recordings(folder) if folder else None
        self._source = source
        self.default_model = source.default_model or capability_of(source.name).default_model if source else ""

    @classmethod
    def of(cls, environ: Mapping[str, str], providers: Mapping[str, Provider]) -> ReplayProvider:
        """From LACE_REPLAY_FOLDER and LACE_REPLAY_SOURCE; raises LaceError SETTING_INVALID for an unknown source."""
        folder, source = first(environ, "LACE_REPLAY_FOLDER"), first(environ, "LACE_REPLAY_SOURCE")
        if source and source not in providers:
            raise LaceError(Reason.SETTING_INVALID, f"replay_source: there is no provider {source}.")
        return cls(Path(folder) if folder else None, providers.get(source))

    def configured(self) -> bool:
        """Whether it has a folder."""
        return self._recordings is not None

    async def complete(self, request: ProviderRequest) -> ProviderAnswer:
        """The recorded answer. Raises LaceError RECORDING_NOT_FOUND, RECORDING_CORRUPT, and what the source raises."""
        prompt = await asyncio.to_thread(Prompt.of, request.messages, request.stop)
        recorded = await self._recorded(prompt, request)
        if recorded is not None:
            return recorded
        answer = await self._asked().complete(request)
        await self._record(prompt, request, answer)
        return answer

    async def stream(self, request: ProviderRequest) -> AsyncGenerator[Delta | ProviderAnswer, None]:
        """The same in pieces; from the source as they come."""
        prompt = await asyncio.to_thread(Prompt.of, request.messages, request.stop)
        recorded = await self._recorded(prompt, request)
        if recorded is not None:
            for start in range(0, len(recorded.text), _PIECE):
                yield Delta(recorded.text[start : start + _PIECE])
            yield recorded
            return
        async with aclosing(self._asked().stream(request)) as pieces:
            async for piece in pieces:
                if isinstance(piece, ProviderAnswer):
                    await self._record(prompt, request, piece)
                yield piece

    async def versions(self, etag: str, timeout_s: float) -> OfferedVersions | None:
        """The models of which there are recordings."""
        names = await asyncio.to_thread(self._opened().models)
        return OfferedVersions(names, self.default_model)

    async def close(self) -> None:
        """Nothing is open; the source is closed by whoever made it."""

    def _opened(self) -> Recordings:
        if self._recordings is None:
            raise LaceError(Reason.PROVIDER_CREDENTIALS, "The provider replay has no folder; set LACE_REPLAY_FOLDER.")
        return self._recordings

    def _asked(self) -> Provider:
        assert self._source is not None
        return self._source

    async def _recorded(self, prompt: Prompt, request: ProviderRequest) -> ProviderAnswer | None:
        """None where the source is to be asked."""
        try:
            found = await asyncio.to_thread(self._opened().read, prompt.input_hash, request.model)
        except LaceError as error:
            if error.reason is Reason.RECORDING_NOT_FOUND and self._source is not None:
                return None
            raise
        return replace(found, text=prompt.given(found.text))

    async def _record(self, prompt: Prompt, request: ProviderRequest, answer: ProviderAnswer) -> None:
        kept = replace(answer, text=prompt.kept(answer.text))
        await asyncio.to_thread(self._opened().write, prompt.input_hash, request.model, kept)
