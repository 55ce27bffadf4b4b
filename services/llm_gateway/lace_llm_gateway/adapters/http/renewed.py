"""A client that is opened anew when a key changes."""

from __future__ import annotations

from collections.abc import Callable

from lace_llm_gateway.adapters.http.client import HttpClient


class RenewedClient:
    """`version` is that of the secrets which `make` reads; it makes None where there is nothing to call.

    Calls that are under way stay with the client that they began on, whose connections end by themselves when idle.
    """

    def __init__(self, make: Callable[[], HttpClient | None], version: Callable[[], int]) -> None:
        self._make = make
        self._version = version
        self._made_for = version()
        self._client = make()
        self._earlier: list[HttpClient] = []

    def current(self) -> HttpClient | None:
        """The client of the newest keys."""
        version = self._version()
        if version != self._made_for:
            if self._client is not None:
                self._earlier.append(self._client)
            self._client, self._made_for = self._make(), version
        return self._client

    async def close(self) -> None:
        """Ends all connections."""
        for client in (*self._earlier, self._client):
            if client is not None:
                await client.close()
