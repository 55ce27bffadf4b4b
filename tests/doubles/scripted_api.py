"""An HTTP API that answers as a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What is to be sent back."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass
class ScriptedApi:
    """Answers by method and path; whatever it was not told of is a 404 in the API's envelope."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)

    def on(
        self, method: str, path: str, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """JSON to answer with from now on."""
        given = {"content-type": "application/json", **(headers or {})}
        self.answers[method, path] = Answer(status, json.dumps(value).encode(), given)

    def refuse(self, method: str, path: str, status: int, code: str, message: str, **more: Any) -> None:
        """An error envelope to answer with from now on."""
        envelope = {
            "error_code": code,
            "message": message,
            "details": [],
            "correlation_id": "cor_1",
            "retryable": False,
            **more,
        }
        self.on(method, path, envelope, status=status, headers={"content-type": "application/problem+json"})

    def stream(self, path: str, events: list[dict[str, Any]]) -> None:
        """Events to send as a server-sent stream."""
        frames = [f"id: {e['event_id']}\nevent: {e['event_type']}\ndata: {json.dumps(e)}\n\n" for e in events]
        self.answers["GET", path] = Answer(200, "".join(frames).encode(), {"content-type": "text/event-stream"})

    def data(self, path: str, content: bytes) -> None:
        """Bytes to answer a GET with."""
        self.answers["GET", path] = Answer(200, content, {"content-type": "application/octet-stream"})

    def last(self, method: str) -> Asked:
        """The latest request of that method."""
        return next(asked for asked in reversed(self.asked) if asked.method == method)

    def answer(self, asked: Asked) -> Answer:
        """What there is for the request."""
        self.asked.append(asked)
        if (asked.method, asked.path) not in self.answers:
            self.refuse(asked.method, asked.path, 404, "ROUTE_NOT_FOUND", f"No script for {asked.method} {asked.path}.")
        return self.answers[asked.method, asked.path]


@contextmanager
def scripted_api() -> Iterator[ScriptedApi]:
    """The API on a free port of loopback, until the end of the block."""
    api = ScriptedApi()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = api.answer(Asked(self.command, parts.path, parse_qs(parts.query), headers, body))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
