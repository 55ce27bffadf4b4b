"""A control that tells a service who it is, what is stored and what may be spent: nothing, and all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import grpc

from lace.control.v1 import control_pb2, control_pb2_grpc
from lace_platform.clock import utc_now


class _Auth(control_pb2_grpc.AuthServiceServicer):
    async def IssueServiceIdentity(self, request: Any, context: Any) -> control_pb2.IssueServiceIdentityResponse:
        answer = control_pb2.IssueServiceIdentityResponse(identity="nobody-looks-here")
        answer.expires_at.FromDatetime(utc_now() + timedelta(hours=1))
        return answer


class StoredSettings(control_pb2_grpc.SettingsServiceServicer):
    """Tells everybody the same values."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    async def ReadSettings(self, request: Any, context: Any) -> control_pb2.ReadSettingsResponse:
        answer = control_pb2.ReadSettingsResponse()
        answer.values.update(self._values)
        return answer


class _Tenants(control_pb2_grpc.TenantServiceServicer):
    async def ReadQuotas(self, request: Any, context: Any) -> control_pb2.Quotas:
        return control_pb2.Quotas(version=1)


@asynccontextmanager
async def telling(values: Mapping[str, Any] | None = None) -> AsyncIterator[str]:
    """Its address, until the end of the block; `values` are what is stored for everybody, by key."""
    server = grpc.aio.server()
    # What no service asks is left to the bases.
    control_pb2_grpc.add_AuthServiceServicer_to_server(_Auth(), server)  # type: ignore[abstract]
    control_pb2_grpc.add_SettingsServiceServicer_to_server(
        StoredSettings(values or {}),  # type: ignore[abstract]
        server,
    )
    control_pb2_grpc.add_TenantServiceServicer_to_server(_Tenants(), server)  # type: ignore[abstract]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
