"""The call under way: who makes it, which request it belongs to, and until when it may take."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from lace_core.errors import LaceError, Reason
from lace_core.labels import held_by
from lace_platform.auth import Identity, require_identity

REQUEST_ID = "x-request-id"
CORRELATION_ID = "x-correlation-id"
IDEMPOTENCY_KEY = "idempotency-key"
TRACEPARENT = "traceparent"
AUTHORIZATION = "authorization"
BEARER = "Bearer "
HTTP_STATUS = "x-http-status"


@dataclass(frozen=True)
class CallContext:
    """What travels with a call. `deadline` is on the clock of time.monotonic(); `signed_identity` is the JWT.

    `sign` supplies the JWT where it is costly to come by and perhaps no call needs it.
    """

    identity: Identity | None
    request_id: str
    correlation_id: str
    idempotency_key: str | None = None
    traceparent: str | None = None
    deadline: float | None = None
    signed_identity: str | None = None
    sign: Callable[[], Awaitable[str]] | None = None

    @property
    def tenant_id(self) -> str:
        """The caller's tenant; raises LaceError TOKEN_MISSING where nobody calls."""
        return require_identity(self.identity).tenant_id

    @property
    def principal_id(self) -> str:
        """The caller; raises LaceError TOKEN_MISSING where nobody calls."""
        return require_identity(self.identity).principal_id

    @property
    def labels(self) -> frozenset[str]:
        """The security labels that the caller holds, its own (lace_core.labels.owner_label) included; the one place
        that adds it. Raises LaceError TOKEN_MISSING where nobody calls.
        """
        identity = require_identity(self.identity)
        return held_by(identity.principal_id, identity.labels)

    def remaining(self) -> float | None:
        """Seconds until the deadline, None without one; raises LaceError DEADLINE_EXCEEDED when it has passed."""
        if self.deadline is None:
            return None
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise LaceError(Reason.DEADLINE_EXCEEDED, "The call took longer than its deadline.", retryable=True)
        return left


_current: ContextVar[CallContext | None] = ContextVar("lace_call", default=None)


def current_call() -> CallContext:
    """The call under way; raises LookupError outside of one."""
    call = _current.get()
    if call is None:
        raise LookupError("no call is under way; workers name theirs with acting_as()")
    return call


def call_or_none() -> CallContext | None:
    """The call under way, if there is one."""
    return _current.get()


def enter_call(call: CallContext) -> None:
    """Makes the call current until the end of this task, as the server does for each call's own task."""
    _current.set(call)


def acting_as(call: CallContext) -> AbstractContextManager[None]:
    """Makes the call current within the block: for workers, and for edges that are not gRPC."""
    return _Acting(call)


class _Acting:
    """A context manager, written out for its speed."""

    def __init__(self, call: CallContext) -> None:
        self._call = call

    def __enter__(self) -> None:
        self._before = _current.set(self._call)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.reset(self._before)


def say_status(context: Any, status: int) -> None:
    """Tells the REST surface the method's `other_status` (lace.api.v1.rest), in place of its success_status."""
    context.set_trailing_metadata(((HTTP_STATUS, str(status)),))
