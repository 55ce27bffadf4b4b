"""Who calls: bearer tokens to signed identities, asked of control once and remembered while they are good.

An identity that is remembered is checked against the followed revocations at each use, so that a revoked token is
refused as soon as the revocation is known here, which is within a second.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from lace_core.errors import LaceError
from lace_gateway.app.ports import Identities
from lace_gateway.domain.identity import SignedIdentity

_REMEMBERED = 10_000
_REFUSED_FOR_S = 1.0
_RENEW_BEFORE_S = 30.0

T = TypeVar("T")


@dataclass(frozen=True)
class _Known:
    identity: SignedIdentity
    renew_at: float


@dataclass(frozen=True)
class _Refused:
    error: LaceError
    until: float


class Authenticator:
    """One per process; tokens are remembered by their hash alone."""

    def __init__(self, identities: Identities, *, now: Callable[[], float] = time.time) -> None:
        self._identities = identities
        self._now = now
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._refused: OrderedDict[bytes, _Refused] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[SignedIdentity]] = {}

    async def identify(self, bearer: str) -> SignedIdentity:
        """The caller's identity; raises LaceError TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_REVOKED, SERVICE_UNAVAILABLE."""
        digest = hashlib.sha256(bearer.encode()).digest()
        current = self._remembered(digest)
        if current is not None and self._now() < current.renew_at:
            return current.identity
        self._raise_if_refused(digest)
        try:
            return await self._ask(digest, bearer)
        except LaceError as error:
            # Control being away for a moment is no reason to turn a caller away whose identity still holds.
            if error.retryable and current is not None:
                return current.identity
            raise

    def _remembered(self, digest: bytes) -> _Known | None:
        known = self._known.get(digest)
        if known is None:
            return None
        try:
            self._identities.check(known.identity)
        except LaceError:
            # Perhaps the identity alone has ended, not the token: control says which.
            del self._known[digest]
            return None
        return known

    def _raise_if_refused(self, digest: bytes) -> None:
        refused = self._refused.get(digest)
        if refused is not None and self._now() < refused.until:
            raise refused.error.with_traceback(None)

    async def _ask(self, digest: bytes, bearer: str) -> SignedIdentity:
        """One question at a time per token; who gives up waiting does not take the answer from the others."""
        task = self._asking.get(digest)
        if task is None:
            task = asyncio.create_task(self._issue(digest, bearer), name="authenticate")
            self._asking[digest] = task
            task.add_done_callback(lambda done: self._answered(digest, done))
        return await asyncio.shield(task)

    async def _issue(self, digest: bytes, bearer: str) -> SignedIdentity:
        asked_at = self._now()
        try:
            identity = await self._identities.issue(bearer)
        except LaceError as error:
            if not error.retryable:
                _keep(self._refused, digest, _Refused(error, self._now() + _REFUSED_FOR_S))
            raise
        life = identity.expires_at - asked_at
        renew_at = max(identity.expires_at - _RENEW_BEFORE_S, asked_at + life / 2)
        _keep(self._known, digest, _Known(identity, renew_at))
        return identity

    def _answered(self, digest: bytes, task: asyncio.Task[SignedIdentity]) -> None:
        del self._asking[digest]
        if not task.cancelled():
            task.exception()  # retrieved here, since everyone who asked may be gone


def _keep(memory: OrderedDict[bytes, T], digest: bytes, value: T) -> None:
    memory[digest] = value
    memory.move_to_end(digest)
    if len(memory) > _REMEMBERED:
        memory.popitem(last=False)
