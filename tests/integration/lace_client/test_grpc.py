"""The same services by gRPC, under the same token."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from lace.runs.v1 import runs_pb2, runs_pb2_grpc
from lace_client.grpc import GrpcCaller, error_of
from lace_core.errors import Reason


async def test_calls_under_a_tokens_identity(gateway: Any) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.backend.port}") as channel:
        caller = GrpcCaller(channel, "lace_good")
        stub = runs_pb2_grpc.RunServiceStub(channel)
        run = await stub.GetRun(runs_pb2.GetRunRequest(run_id="run_1"), metadata=await caller.metadata())
        assert run.run_id == "run_1"
        request = runs_pb2.StartRunRequest(pipeline_id="generate", title="x")
        started = await stub.StartRun(request, metadata=await caller.metadata(idempotency_key="k"))
        assert started.run_id
    assert gateway.backend.auth.asked == 1
    assert [call.idempotency_key for _, _, call in gateway.backend.runs.calls] == [None, "k"]


async def test_failures_are_those_of_the_rest_client(gateway: Any) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.backend.port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await GrpcCaller(channel, "lace_wrong").metadata()
        assert error_of(failed.value).reason is Reason.TOKEN_INVALID
        metadata = await GrpcCaller(channel, "lace_good").metadata()
        stub = runs_pb2_grpc.RunServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.GetRun(runs_pb2.GetRunRequest(), metadata=metadata)
        error = error_of(failed.value)
        assert (error.error_code, error.status) == ("INVALID_ARGUMENT", 400)
        assert [detail.field for detail in error.details] == ["/run_id"]
        assert error.correlation_id.startswith("req_")


async def test_a_service_that_is_not_there() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await GrpcCaller(channel, "lace_good").metadata()
    error = error_of(failed.value)
    assert (error.reason, error.retryable) == (Reason.SERVICE_UNAVAILABLE, True)
