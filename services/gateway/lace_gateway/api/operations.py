"""For whoever runs the gateway: health, figures, and a word of welcome."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from lace_core.errors import Detail, LaceError, Reason
from lace_gateway.api.rest_routes import JSON
from lace_gateway.app.ports import Health
from lace_platform.telemetry import CONTENT_TYPE_LATEST
from lace_platform.telemetry import metrics as prometheus_text

_WELCOME = {"name": "LACE", "read": "/read", "docs": "/docs", "openapi": "/openapi.json", "health": "/health/ready"}


class Operations:
    """The endpoints."""

    def __init__(self, health: Health) -> None:
        self._health = health

    async def welcome(self, request: Request) -> Response:
        """A browser goes on to the page for readers, a program is told where things are."""
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("/read")
        return Response(orjson.dumps(_WELCOME), media_type=JSON)

    async def live(self, request: Request) -> Response:
        """That this answers is the answer."""
        return Response(b'{"status":"ok"}', media_type=JSON)

    async def ready(self, request: Request) -> Response:
        """Raises SERVICE_UNAVAILABLE while a service does not answer."""
        states = await self._health.states()
        missing = [Detail(name, state) for name, state in sorted(states.items()) if state != "serving"]
        if missing:
            names = ", ".join(detail.field for detail in missing)
            raise LaceError(
                Reason.SERVICE_UNAVAILABLE, f"Not ready: {names}.", details=missing, retryable=True, retry_after=1.0
            )
        return Response(orjson.dumps({"status": "ready", "services": states}), media_type=JSON)

    async def metrics(self, request: Request) -> Response:
        """Figures of this process."""
        return Response(prometheus_text(), headers={"content-type": CONTENT_TYPE_LATEST})
