"""gRPC between the services: servers, channels, and the call that is under way."""

from __future__ import annotations

from lace_platform.rpc.client import ResponseStream, open_channel, reach
from lace_platform.rpc.context import HTTP_STATUS, CallContext, acting_as, call_or_none, current_call, say_status
from lace_platform.rpc.errors import error_of, status_of
from lace_platform.rpc.identity import ServiceIdentity
from lace_platform.rpc.server import RpcServer, Running
from lace_platform.rpc.validation import validate

__all__ = [
    "HTTP_STATUS",
    "CallContext",
    "ResponseStream",
    "RpcServer",
    "Running",
    "ServiceIdentity",
    "acting_as",
    "call_or_none",
    "current_call",
    "error_of",
    "open_channel",
    "reach",
    "say_status",
    "status_of",
    "validate",
]
