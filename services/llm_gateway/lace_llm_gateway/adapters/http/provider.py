"""A provider that is called over HTTP: everything that is the same for all of them, whatever their wire."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.http import failures
from lace_llm_gateway.adapters.http.client import HttpClient, HttpResponse
from lace_llm_gateway.adapters.http.models import current_version
from lace_llm_gateway.adapters.http.wire import Dialect, Reading, Refused, Wire
from lace_llm_gateway.domain.capabilities import capability_of
from lace_llm_gateway.domain.exchange import Delta, ProviderAnswer, ProviderRequest
from lace_llm_gateway.domain.versions import OfferedVersions


class HttpProvider:
    """See app.ports.Provider. Waiting and trying again is the use case's, in one place for all providers.

    A server that refuses a way of asking is asked in the next plainer way within the same try, and from then on.
    """

    def __init__(self, name: str, default_model: str, client: HttpClient | None, wire: Wire) -> None:
        self.name = name
        self.default_model = default_model
        self._client = client
        self._wire = wire
        self._dialects: dict[str, Dialect] = {}

    def configured(self) -> bool:
        """Whether there is a key, or a server of one's own."""
        return self._client is not None

    async def complete(self, request: ProviderRequest) -> ProviderAnswer:
        """See app.ports.Provider.complete; asks for the answer in one, which costs least."""
        client, dialect = self._opened(), self._dialect(request)
        while True:
            reading = dialect.reading(request)
            try:
                async with client.post(dialect.call(request, stream=False), request.timeout_s) as response:
                    if not response.streams:
                        _take(reading, await response.body())
                    else:
                        await _drain(response, reading)
                return _whole(reading)
            except Refused as refused:
                dialect = self._learn(dialect, refused, request)

    async def stream(self, request: ProviderRequest) -> AsyncGenerator[Delta | ProviderAnswer, None]:
        """See app.ports.Provider.stream."""
        client, dialect = self._opened(), self._dialect(request)
        while True:
            reading = dialect.reading(request)
            try:
                async with client.post(dialect.call(request, stream=True), request.timeout_s) as response:
                    async with aclosing(_deltas(response, reading)) as deltas:
                        async for text in deltas:
                            yield Delta(text)
                yield _whole(reading)
                return
            except Refused as refused:
                dialect = self._learn(dialect, refused, request)

    async def versions(self, etag: str, timeout_s: float) -> OfferedVersions | None:
        """See app.ports.VersionSource.versions."""
        client = self._opened()
        headers = {"if-none-match": etag} if etag else {}
        try:
            status, answered, body = await client.get(self._wire.models_path, timeout_s, headers)
        except Refused as refused:
            raise self._wire.failure(refused) from None
        if status == 304:
            return None
        try:
            names = self._wire.models(body)
        except ValueError:
            raise failures.no_answer() from None
        default = self.default_model or capability_of(self.name).default_model
        return OfferedVersions(names, current_version(default, names), answered.get("etag", ""))

    async def close(self) -> None:
        """Ends the connections."""
        if self._client is not None:
            await self._client.close()

    def _opened(self) -> HttpClient:
        if self._client is None:
            raise LaceError(Reason.PROVIDER_CREDENTIALS, f"There is no key for the provider {self.name}.")
        return self._client

    def _dialect(self, request: ProviderRequest) -> Dialect:
        return self._dialects.get(request.model, self._wire.dialect)

    def _learn(self, dialect: Dialect, refused: Refused, request: ProviderRequest) -> Dialect:
        """The plainer dialect, kept for the model where it lasts; raises the coded failure where there is none."""
        said = refused.body.decode("utf-8", "replace")
        plainer = dialect.plainer(said, request) if refused.status in (400, 422) else None
        if plainer is None:
            raise self._wire.failure(refused) from None
        if plainer.lasting:
            self._dialects[request.model] = plainer.dialect
        return plainer.dialect


async def _deltas(response: HttpResponse, reading: Reading) -> AsyncGenerator[str, None]:
    if not response.streams:  # a server that does not stream sends it in one
        _take(reading, await response.body())
        text = _whole(reading).text
        if text:
            yield text
        return
    async for events in response.events():
        text = "".join([_piece(reading, data) for data in events])
        if text:
            yield text
        if reading.ended:
            await response.finish()
            return


async def _drain(response: HttpResponse, reading: Reading) -> None:
    async for _ in _deltas(response, reading):
        pass


def _take(reading: Reading, body: bytes) -> None:
    try:
        reading.whole(body)
    except ValueError:  # msgspec's and json's own errors are such
        raise failures.no_answer() from None


def _piece(reading: Reading, data: bytes) -> str:
    try:
        return reading.piece(data)
    except ValueError:
        raise failures.no_answer() from None


def _whole(reading: Reading) -> ProviderAnswer:
    try:
        return reading.answer()
    except ValueError:
        raise failures.no_answer() from None
