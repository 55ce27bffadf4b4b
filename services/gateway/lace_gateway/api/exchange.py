"""One request and what is known about it, from the first middleware to the log line."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Send

from lace_gateway.app.authenticate import Authenticator
from lace_gateway.domain.identity import SignedIdentity
from lace_gateway.domain.request_headers import token_missing
from lace_platform.rpc import CallContext

_KEY = "lace.exchange"


@dataclass
class Exchange:
    """Kept in the ASGI scope. `bearer` is the token as it was sent, and is never logged.

    `send` is the server's own: what goes there passes by the layers around the application.
    """

    headers: dict[str, str]
    request_id: str
    correlation_id: str
    traceparent: str
    send: Send = field(repr=False)
    access_token: str | None = field(default=None, repr=False)
    bearer: str = field(default="", repr=False)
    identity: SignedIdentity | None = None

    def call(self, *, idempotency_key: str | None = None, deadline: float | None = None) -> CallContext:
        """What goes along with calls to the services."""
        return CallContext(
            identity=None,
            request_id=self.request_id,
            correlation_id=self.correlation_id,
            idempotency_key=idempotency_key,
            traceparent=self.traceparent,
            deadline=deadline,
            signed_identity=self.identity.signed if self.identity else None,
        )


class Watcher:
    """The caller of an exchange as a viewer of runs: its token is looked at again each time."""

    def __init__(self, exchange: Exchange, authenticator: Authenticator, schema_version: int = 0) -> None:
        if exchange.identity is None:
            raise token_missing()
        self.schema_version = schema_version
        self.tenant_id = exchange.identity.tenant_id
        self.request_id = exchange.request_id
        self.correlation_id = exchange.correlation_id
        self._bearer = exchange.bearer
        self._authenticator = authenticator

    async def identity(self) -> SignedIdentity:
        """See lace_gateway.app.ports.Viewer."""
        return await self._authenticator.identify(self._bearer)


def exchange_of(scope: MutableMapping[str, Any]) -> Exchange:
    """The exchange that the scope belongs to."""
    exchange: Exchange = scope[_KEY]
    return exchange


def keep_exchange(scope: MutableMapping[str, Any], exchange: Exchange) -> None:
    """Puts the exchange where `exchange_of` finds it."""
    scope[_KEY] = exchange
