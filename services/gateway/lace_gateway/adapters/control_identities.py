"""Identities by control's AuthService, checked against the revocations that this process follows."""

from __future__ import annotations

import time

import grpc

from lace.control.v1 import control_pb2, control_pb2_grpc
from lace_core.errors import LaceError, Reason
from lace_gateway.domain.identity import SignedIdentity
from lace_platform.auth import IdentityVerifier

_LONGEST_BEARER = 512


class ControlIdentities:
    """See lace_gateway.app.ports.Identities."""

    def __init__(self, channel: grpc.aio.Channel, verifier: IdentityVerifier) -> None:
        self._stub = control_pb2_grpc.AuthServiceStub(channel)
        self._verifier = verifier

    async def issue(self, bearer: str) -> SignedIdentity:
        """See Identities.issue."""
        if len(bearer) > _LONGEST_BEARER:
            raise LaceError(Reason.TOKEN_INVALID, "This token is not known.")
        answer = await self._stub.Authenticate(control_pb2.AuthenticateRequest(bearer=bearer))
        return SignedIdentity(
            signed=answer.identity,
            principal_id=answer.principal_id,
            tenant_id=answer.tenant_id,
            expires_at=answer.expires_at.ToNanoseconds() / 1e9,
        )

    def check(self, identity: SignedIdentity) -> None:
        """See Identities.check. Before control's keys are known here, its word is taken until the identity ends."""
        try:
            self._verifier.verify(identity.signed)
        except LaceError as error:
            if error.reason is not Reason.SERVICE_UNAVAILABLE:
                raise
            if identity.expires_at <= time.time():
                raise LaceError(Reason.TOKEN_EXPIRED, "This identity expired.") from None
