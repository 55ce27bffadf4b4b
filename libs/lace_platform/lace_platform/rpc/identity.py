"""The identity of a service itself: had from control for its secret, renewed before it ends."""

from __future__ import annotations

import asyncio
import time

import grpc

from lace.control.v1 import control_pb2, control_pb2_grpc

_RENEW_BEFORE_S = 30.0


class ServiceIdentity:
    """Gives the service's signed identity; `token` is an identity supplier for `open_channel`.

    `control_channel` must not itself be one that asks this object; it belongs to this object from here on.
    """

    def __init__(self, control_channel: grpc.aio.Channel, service: str, secret: str) -> None:
        self._channel = control_channel
        self._stub = control_pb2_grpc.AuthServiceStub(control_channel)
        self._request = control_pb2.IssueServiceIdentityRequest(service=service, secret=secret)
        self._lock = asyncio.Lock()
        self._signed = ""
        self._renew_at = 0.0

    async def token(self) -> str:
        """The signed identity, good for a while yet; raises LaceError as control does."""
        if time.time() < self._renew_at:
            return self._signed
        async with self._lock:
            if time.time() >= self._renew_at:
                await self._renew()
            return self._signed

    async def close(self) -> None:
        """Closes the channel to control."""
        await self._channel.close()

    async def _renew(self) -> None:
        asked_at = time.time()
        issued = await self._stub.IssueServiceIdentity(self._request)
        expires_at = issued.expires_at.ToNanoseconds() / 1e9
        # Half of a short life at least is used, so that a life below the margin does not mean a call each time.
        self._renew_at = max(expires_at - _RENEW_BEFORE_S, asked_at + (expires_at - asked_at) / 2)
        self._signed = issued.identity
