"""Requests to the REST API: identity, idempotency, retries, and errors as exceptions."""

from __future__ import annotations

import hashlib
import random
import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import orjson
from google.protobuf.message import Message

from lace_core.errors import Detail, LaceError, Reason
from lace_proto.json import from_json

TRIES = 4
T = TypeVar("T")
M = TypeVar("M", bound=Message)
_JSON = {"Content-Type": "application/json"}
_LONGEST_PAUSE_S = 30.0
_DOWNLOAD_SILENCE_S = 60.0


class LaceApiError(LaceError):
    """The API's error envelope. `status` is the HTTP status; `correlation_id` is what to quote to an operator."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        error_code: str,
        status: int,
        correlation_id: str = "",
        details: tuple[Detail, ...] = (),
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(reason, message, details=details, retryable=retryable, retry_after=retry_after)
        self.error_code = error_code
        self.status = status
        self.correlation_id = correlation_id


def _authorities(url: str) -> ssl.SSLContext | bool:
    """Whom to trust: those of the default, and for an address without TLS nobody, as loading them takes its time."""
    return True if url.lower().startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Transport:
    """One connection pool to one API; see `LaceClient` for what to ask of it."""

    def __init__(self, url: str, token: str, *, timeout_s: float, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(
            base_url=url.rstrip("/"),
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(timeout_s, connect=5.0),
            transport=transport,
            verify=_authorities(url),
            trust_env=False,  # a token is not for a proxy that happens to be configured
        )

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def get(self, path: str, parameters: Mapping[str, Any] | None = None, *, tries: int = TRIES) -> bytes:
        """The body of a read; tried again where that may help."""
        return self._tried(lambda: checked(self._http.get(path, params=_given(parameters))).content, tries)

    def read(self, kind: type[M], path: str, parameters: Mapping[str, Any] | None = None) -> M:
        """What is read there, as a message; fields that this client does not know yet are passed over."""
        return from_json(kind, self.get(path, parameters), tolerant=True)

    def pages(self, kind: type[M], path: str, parameters: Mapping[str, Any] | None = None) -> Iterator[M]:
        """The pages of a list, each asked for when it is wanted."""
        token = ""
        while True:
            page = self.read(kind, path, {**(parameters or {}), "page_token": token})
            yield page
            token = getattr(page, "next_page_token", "")
            if not token:
                return

    def change(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any],
        *,
        key: str | None = None,
        etag: str = "",
        media_type: str = "application/json",
    ) -> bytes:
        """The body of a mutation's answer; tried again under the same Idempotency-Key."""
        headers = {"Idempotency-Key": key or new_key(), "Content-Type": media_type}
        if etag:
            headers["If-Match"] = f'"{etag}"'
        content = orjson.dumps(dict(body))
        return self._tried(lambda: checked(self._http.request(method, path, content=content, headers=headers)).content)

    def ask(self, path: str, body: Mapping[str, Any], timeout_s: float | None = None) -> bytes:
        """The body of the answer to a question, which changes nothing but may cost; see `_tried_if_refused`."""
        limit = httpx.USE_CLIENT_DEFAULT if timeout_s is None else httpx.Timeout(timeout_s, connect=5.0)
        content = orjson.dumps(dict(body))
        return self._tried_if_refused(
            lambda: checked(self._http.post(path, content=content, headers=_JSON, timeout=limit)).content
        )

    def ask_for_stream(
        self, path: str, body: Mapping[str, Any], silence_s: float
    ) -> AbstractContextManager[httpx.Response]:
        """The same, read as it comes: a context manager; its errors are raised by `checked`."""
        timeout = httpx.Timeout(silence_s, connect=5.0)
        return self._http.stream("POST", path, content=orjson.dumps(dict(body)), headers=_JSON, timeout=timeout)

    def upload(self, path: str, files: Callable[[], Any], fields: Mapping[str, Any], key: str | None = None) -> bytes:
        """The answer to a multipart upload; `files` gives the parts afresh for each try."""
        headers = {"Idempotency-Key": key or new_key()}
        return self._tried(
            lambda: checked(self._http.post(path, files=files(), data=dict(fields), headers=headers)).content
        )

    def download(self, path: str, to: Path) -> str:
        """Writes the body to a file as it comes, and returns its SHA-256; tried again from the start."""

        def fetch() -> str:
            digest = hashlib.sha256()
            with self.stream(path, {}, _DOWNLOAD_SILENCE_S) as response, to.open("wb") as file:
                for piece in checked(response).iter_bytes():
                    digest.update(piece)
                    file.write(piece)
            return digest.hexdigest()

        return self._tried(fetch)

    def stream(
        self, path: str, headers: Mapping[str, str], read_timeout_s: float
    ) -> AbstractContextManager[httpx.Response]:
        """A response whose body is read as it comes: a context manager; its errors are raised by `checked`."""
        timeout = httpx.Timeout(read_timeout_s, connect=5.0)
        return self._http.stream("GET", path, headers=dict(headers), timeout=timeout)

    def _tried_if_refused(self, attempt_once: Callable[[], T]) -> T:
        """Tried again where the API says that it may help; not where the connection broke: it was perhaps answered."""

        def attempt() -> T:
            try:
                return attempt_once()
            except httpx.ConnectError:
                raise
            except httpx.TransportError as error:
                raise unreachable(self._http.base_url, error, retryable=False) from error

        return self._tried(attempt)

    def _tried(self, attempt_once: Callable[[], T], tries: int = TRIES) -> T:
        for attempt in range(1, tries + 1):
            try:
                return attempt_once()
            except LaceError as error:
                if not error.retryable or attempt == tries:
                    raise
                pause = error.retry_after if error.retry_after is not None else 0.2 * 2**attempt
            except httpx.TransportError as error:
                if attempt == tries:
                    raise unreachable(self._http.base_url, error) from error
                pause = 0.2 * 2**attempt
            time.sleep(min(pause, _LONGEST_PAUSE_S) * random.uniform(0.8, 1.2))
        raise AssertionError("the loop returns or raises")


def new_key() -> str:
    """A new Idempotency-Key."""
    return uuid.uuid4().hex


def unreachable(url: object, error: Exception, *, retryable: bool = True) -> LaceApiError:
    """What is raised when nothing answers."""
    return LaceApiError(
        Reason.SERVICE_UNAVAILABLE,
        f"{url} cannot be reached: {error}",
        error_code=Reason.SERVICE_UNAVAILABLE.value,
        status=0,
        retryable=retryable,
    )


def corrupt(filename: str) -> LaceApiError:
    """What is raised for a file that is not what it was when it was made."""
    return LaceApiError(
        Reason.BLOB_CORRUPT,
        f"{filename} did not arrive as it was made; download it again.",
        error_code=Reason.BLOB_CORRUPT.value,
        status=0,
        retryable=True,
    )


def checked(response: httpx.Response) -> httpx.Response:
    """The response, if it is one of success; raises LaceApiError."""
    if response.is_success:
        return response
    response.read()
    try:
        envelope = orjson.loads(response.content)
    except ValueError:
        envelope = {}
    raise failure_of(
        envelope,
        status=response.status_code,
        retry_after=_seconds(response.headers.get("Retry-After")),
        otherwise=response.text[:200] or response.reason_phrase,
    )


def failure_of(
    envelope: Any, *, status: int, retry_after: float | None = None, otherwise: str = "Something failed."
) -> LaceApiError:
    """The error of an envelope, of the API's own or of the form that the OpenAI-compatible endpoints have."""
    found = envelope.get("error", envelope) if isinstance(envelope, dict) else {}
    found = found if isinstance(found, dict) and "error_code" in found else {}
    code = str(found.get("error_code", Reason.INTERNAL.value))
    return LaceApiError(
        Reason(code) if code in Reason.__members__ else Reason.INTERNAL,
        str(found.get("message", otherwise)),
        error_code=code,
        status=status,
        correlation_id=str(found.get("correlation_id", "")),
        details=tuple(_detail(item) for item in found.get("details", ())),
        retryable=bool(found.get("retryable", status in (502, 503, 504))),
        retry_after=retry_after,
    )


def _detail(item: Any) -> Detail:
    if isinstance(item, dict):
        return Detail(str(item.get("field", "")), str(item.get("description", "")))
    return Detail("", str(item))


def _seconds(value: str | None) -> float | None:
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        return None


def segment(value: str) -> str:
    """An id as one segment of a path, whatever characters it has; one of dots alone would climb in the path."""
    if not value.strip("."):
        raise ValueError(f"{value!r} is not an id")
    return quote(value, safe="")


def _given(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (parameters or {}).items() if value not in (None, "", 0)}
