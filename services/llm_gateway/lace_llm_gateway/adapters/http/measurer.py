"""What embedders and rerankers over HTTP have in common: a client that follows its keys, an answer read whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.http import failures
from lace_llm_gateway.adapters.http.client import HttpClient
from lace_llm_gateway.adapters.http.renewed import RenewedClient
from lace_llm_gateway.adapters.http.wire import HttpCall, Refused

S = TypeVar("S")
A = TypeVar("A", bound=msgspec.Struct)


class HttpMeasurer(Generic[S]):
    """See app.measuring.ports.Measurer; `missing` says what it wants before it can be asked."""

    missing: str

    def __init__(
        self, settings: Callable[[], S], opened: Callable[[S], HttpClient | None], version: Callable[[], int]
    ) -> None:
        """Settings are read again when the version of the secrets changes."""
        self._settings = settings
        self._client = RenewedClient(lambda: opened(settings()), version)

    def configured(self, model: str) -> bool:
        """Whether there is what it wants: a key, or an address."""
        return self._client.current() is not None

    async def count(self, texts: Sequence[str], model: str) -> Sequence[int] | None:
        """None: the gateway counts by its own table or bound for the model's family."""
        return None

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.close()

    async def _answer(
        self, call: HttpCall, timeout_s: float, kind: type[A], failure: Callable[[Refused], LaceError]
    ) -> A:
        """What the server says to one call; `failure` is what a refusal stands for. Raises LaceError PROVIDER_*."""
        client = self._client.current()
        if client is None:
            raise LaceError(Reason.PROVIDER_CREDENTIALS, self.missing)
        try:
            async with client.post(call, timeout_s) as response:
                return msgspec.json.decode(await response.body(), type=kind)
        except Refused as refused:
            raise failure(refused) from None
        except ValueError:  # msgspec's own errors are such
            raise failures.no_answer() from None
