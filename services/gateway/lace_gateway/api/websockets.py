"""uvicorn's WebSockets, which also send what was framed once for all who get it.

To frame a message anew for each subscriber costs a third of its delivery. It is possible because the server masks
nothing and compresses nothing.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

FRAMED = "lace.framed"


def framed(data: bytes) -> dict[str, Any]:
    """An ASGI message for whole WebSocket frames, after `websocket.accept`."""
    return {"type": "websocket.send", FRAMED: data}


class FramingWebSockets(WebSocketsSansIOProtocol):
    """Takes the messages of `framed` beside all others, and lets a stream say by itself why it ends."""

    def shutdown(self) -> None:
        """Ends a handshake that is under way; a stream ends itself when the server stops, with its reason."""
        if not self.handshake_complete or self.close_sent:
            super().shutdown()

    async def send(self, message: Any) -> None:
        """Raises OSError (ClientDisconnected) when the client has gone."""
        data = message.get(FRAMED)
        if data is None:
            await super().send(message)
            return
        await self.writable.wait()
        if self.disconnected:
            raise ClientDisconnected
        if not self.close_sent:
            self.transport.write(data)
