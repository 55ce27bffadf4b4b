"""Keeps a process's verifier up to date with control: public keys, and revocations as they happen."""

from __future__ import annotations

import asyncio
import random

import grpc
import structlog

from lace.control.v1 import control_pb2, control_pb2_grpc
from lace_core.errors import LaceError
from lace_platform.auth import IdentityVerifier

_KEYS_EVERY_S = 60.0
_SHORT_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 1.0

_log = structlog.get_logger(__name__)


async def follow_control(channel: grpc.aio.Channel, verifier: IdentityVerifier) -> None:
    """Runs until cancelled; a control that cannot be reached is tried again, and what is known stays good."""
    stub = control_pb2_grpc.AuthServiceStub(channel)
    async with asyncio.TaskGroup() as followers:
        followers.create_task(_follow_keys(stub, verifier), name="follow-keys")
        followers.create_task(_follow_revocations(stub, verifier), name="follow-revocations")


async def _follow_keys(stub: control_pb2_grpc.AuthServiceStub, verifier: IdentityVerifier) -> None:
    """Asks every minute, and at once when an identity names a key that is not known."""
    unknown = asyncio.Event()
    verifier.on_unknown_key = unknown.set
    pause = _Pause()
    while True:
        try:
            answer = await stub.GetVerificationKeys(control_pb2.GetVerificationKeysRequest())
            verifier.update_keys({key.key_id: key.public_key_pem for key in answer.keys})
            pause.reset()
        except (LaceError, ValueError) as error:
            await pause.after("keys_not_followed", error)
            continue
        await pause.briefly()  # so that forged key ids cannot make this a flood
        unknown.clear()
        try:
            async with asyncio.timeout(_KEYS_EVERY_S):
                await unknown.wait()
        except TimeoutError:
            continue


async def _follow_revocations(stub: control_pb2_grpc.AuthServiceStub, verifier: IdentityVerifier) -> None:
    pause = _Pause()
    while True:
        try:
            request = control_pb2.WatchRevocationsRequest(after_epoch=verifier.epoch)
            async for revocation in stub.WatchRevocations(request):
                verifier.revoke(
                    epoch=revocation.epoch,
                    token_id=revocation.token_id or None,
                    principal_id=revocation.principal_id or None,
                    run_id=revocation.run_id or None,
                )
                pause.reset()
            await pause.briefly()
        except LaceError as error:
            await pause.after("revocations_not_followed", error)


class _Pause:
    """Waits longer after each failure in a row, up to a second: that is how stale a revocation may be."""

    def __init__(self) -> None:
        self._failures = 0

    def reset(self) -> None:
        self._failures = 0

    async def briefly(self) -> None:
        await asyncio.sleep(_SHORT_PAUSE_S)

    async def after(self, event: str, error: Exception) -> None:
        self._failures += 1
        # Quiet while a process starts beside its control, loud when control stays away.
        note = _log.warning if self._failures == 5 else _log.debug
        note(event, error=str(error), failures=self._failures)
        await asyncio.sleep(min(0.1 * 2**self._failures, _LONGEST_PAUSE_S) * random.uniform(0.8, 1.2))
