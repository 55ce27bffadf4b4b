"""One pool of connections to a provider; a call costs a request on a connection that is open already."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

from lace_core.errors import LaceError
from lace_llm_gateway.adapters.http import failures
from lace_llm_gateway.adapters.http.events import EventParser, EventTooLong
from lace_llm_gateway.adapters.http.wire import HttpCall, Refused

if TYPE_CHECKING:
    import aiohttp
    import yarl

_MIB = 1 << 20
_MOST_BYTES = 64 * _MIB
_MOST_EVENT_BYTES = 16 * _MIB
# Around each token of a stream stand some hundred bytes; a stream without an end is none.
_MOST_STREAM_BYTES = 256 * _MIB
_MOST_REFUSAL_BYTES = _MIB
_CONNECT_S = 10.0
_IDLE_S = 30.0
_END_S = 0.25
_EVENT_STREAM = "text/event-stream"
_WEB_PAGE = "text/html"
# A model that thinks for minutes sends nothing meanwhile; probes keep what lies between from forgetting the connection.
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5))


class HttpResponse:
    """An answer whose head has come, read once."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.streams = response.headers.get("content-type", "").startswith(_EVENT_STREAM)

    async def body(self, most: int = _MOST_BYTES) -> bytes:
        """The whole of it. Raises LaceError PROVIDER_OUTPUT_INVALID for more than `most` bytes."""
        parts: list[bytes] = []
        size = 0
        async for part in self._response.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > most:
                raise failures.no_answer()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def events(self) -> AsyncIterator[list[bytes]]:
        """The data of its events, those together that came together. Raises LaceError PROVIDER_OUTPUT_INVALID."""
        parser = EventParser(_MOST_EVENT_BYTES)
        size = 0
        try:
            async for part in self._response.content.iter_any():
                size += len(part)
                if size > _MOST_STREAM_BYTES:
                    raise failures.no_answer()
                found = parser.feed(part)
                if found:
                    yield found
        except EventTooLong:
            raise failures.no_answer() from None

    async def finish(self) -> None:
        """Read what comes after the last event, so that the connection serves again; not long, and never in vain."""
        if not self._response.content.at_eof():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_S):
                    await self._response.content.readany()


class HttpClient:
    """Calls under one address with the headers of every call; opened by the first call, in the loop that makes it."""

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = {"content-type": "application/json", "user-agent": "lace", **headers}
        self._session: aiohttp.ClientSession | None = None
        self._urls: dict[str, yarl.URL] = {}

    def post(self, call: HttpCall, timeout_s: float) -> AbstractAsyncContextManager[HttpResponse]:
        """The answer's head, with the body to be read within the block, all within `timeout_s`.

        Leaving the block early closes the connection. Raises Refused for a status other than 200, and LaceError
        PROVIDER_UNAVAILABLE, PROVIDER_OUTPUT_INVALID, which for a web page is final.
        """
        return Posted(self._request("POST", call.path, timeout_s, data=call.body, headers=call.headers))

    async def get(
        self, path: str, timeout_s: float, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of a GET that answers 200 or 304. Raises as `post` does."""
        async with self._request("GET", path, timeout_s, headers=headers) as response:
            if response.status not in (200, 304):
                raise await _refused(response)
            return response.status, response.headers, await HttpResponse(response).body()

    async def close(self) -> None:
        """Ends the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _request(self, method: str, path: str, timeout_s: float, **more: Any) -> Exchange:
        """Around one request, the response within the block; raises LaceError for what fails there."""
        import aiohttp

        url = self._url(path)
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(_CONNECT_S, timeout_s))
        session = self._session or self._open()
        return Exchange(session.request(method, url, timeout=timeout, allow_redirects=False, **more), timeout_s)

    def _url(self, path: str) -> yarl.URL:
        import yarl

        found = self._urls.get(path)
        if found is None:
            try:
                found = self._urls[path] = yarl.URL(self._base_url + path, encoded=True)
            except ValueError:
                raise failures.untrusted() from None
        return found

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        # How many calls are under way is decided before they come here; nothing waits for a free connection.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_S, socket_factory=_socket)
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            # Looking for a proxy at every call costs more than the rest of the request.
            trust_env=bool(getproxies()),
        )
        return self._session


class Exchange:
    """One request; an async context manager, written out for its speed."""

    def __init__(self, under_way: AbstractAsyncContextManager[aiohttp.ClientResponse], timeout_s: float) -> None:
        self._under_way = under_way
        self._timeout_s = timeout_s
        self._begun = False

    async def __aenter__(self) -> aiohttp.ClientResponse:
        try:
            response = await self._under_way.__aenter__()
        except Exception as error:
            self._fail(error)
            raise
        self._begun = True
        return response

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._under_way.__aexit__(kind, error, trace)
        except Exception as failure:
            self._fail(failure)
            raise
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """Raises the LaceError that it stands for, where it does for one."""
        import aiohttp

        if isinstance(error, TimeoutError):
            raise failures.too_late(self._timeout_s) from None
        if isinstance(error, aiohttp.ClientError | OSError):
            raise _failure(error, self._begun) from error


class Posted:
    """A POST that is answered with 200."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def __aenter__(self) -> HttpResponse:
        response = await self._exchange.__aenter__()
        try:
            if response.status != 200:
                raise await _refused(response)
            if response.headers.get("content-type", "").startswith(_WEB_PAGE):
                raise failures.web_page()
        except BaseException as error:
            await self._exchange.__aexit__(type(error), error, error.__traceback__)
            raise
        return HttpResponse(response)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exchange.__aexit__(kind, error, trace)


async def _refused(response: aiohttp.ClientResponse) -> Refused | LaceError:
    return Refused(response.status, response.headers, await HttpResponse(response).body(_MOST_REFUSAL_BYTES))


def _failure(error: Exception, begun: bool) -> LaceError:
    import aiohttp

    if isinstance(error, aiohttp.ClientSSLError | aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return failures.untrusted()
    if isinstance(error, aiohttp.ClientResponseError):
        return failures.no_answer()
    return failures.broken_off() if begun else failures.unreachable()


def _socket(address: Any) -> socket.socket:
    """A socket that answers at once and is probed while it is silent; the loop makes it non-blocking."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
