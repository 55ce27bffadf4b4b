"""Servers and channels over loopback: what travels with a call, what is refused, and how both ends end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
import structlog
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lace.control.v1 import control_pb2, control_pb2_grpc
from lace_core.errors import Detail, LaceError, Reason
from lace_platform.auth import Identity, IdentitySigner, IdentityVerifier, generate_private_key
from lace_platform.rpc import CallContext, RpcServer, ServiceIdentity, acting_as, current_call, open_channel

_SIGNER = IdentitySigner(generate_private_key())


def _signed(*scopes: str, kind: Any = "user", token_id: str = "tok_a") -> str:
    now = datetime.now(UTC)
    rights = (frozenset({"member"}), frozenset(scopes), frozenset[str]())
    return _SIGNER.sign(Identity("prn_a", "ten_a", *rights, kind, None, token_id, now, now + timedelta(minutes=5), 0))


def _text(value: Any) -> StringValue:
    return StringValue(value=str(value))


class Echo:
    """One method of each shape; what they do depends on what they are told."""

    def __init__(self, draining: asyncio.Event) -> None:
        self.draining = draining
        self.begun = asyncio.Event()
        self.watching = asyncio.Event()
        self.ended = asyncio.Event()
        self.seen: list[str] = []

    async def _forever(self) -> None:
        self.begun.set()
        await asyncio.sleep(600)

    async def Unary(self, request: StringValue, context: Any) -> StringValue:
        call = current_call()
        if request.value == "call":
            tenant = call.identity.tenant_id if call.identity else ""
            parts = [call.request_id, call.correlation_id, call.idempotency_key, call.traceparent, tenant]
            return _text("|".join(part or "-" for part in parts))
        if request.value == "remaining":
            return _text(call.remaining())
        if request.value == "refuse":
            raise LaceError(Reason.ETAG_MISMATCH, "changed", details=[Detail("etag", "old")], retry_after=1.5)
        if request.value == "bug":
            raise ZeroDivisionError("secret SQL")
        if request.value == "abort":
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, "by hand")
        if request.value == "flaky":
            self.seen.append("flaky")
            raise LaceError(Reason.SERVICE_UNAVAILABLE, "not now", retryable=True)
        if request.value == "slow":
            try:
                await self._forever()
            finally:
                self.ended.set()
        return request

    async def Gather(self, requests: AsyncIterator[StringValue], context: Any) -> StringValue:
        parts = []
        async for request in requests:
            if request.value.startswith("refuse"):
                raise LaceError(Reason.SOURCE_FORMAT_UNSUPPORTED, "not this")
            parts.append(request.value)
        return _text("".join(parts))

    async def Tell(self, request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        try:
            for number in range(3):
                yield _text(f"{request.value}{number}:{current_call().request_id}")
            if request.value == "fail":
                raise LaceError(Reason.RUN_NOT_FOUND, "gone")
            if request.value == "watch":
                self.watching.set()
                await self.draining.wait()
                yield _text("bye")
            if request.value == "forever":
                await self._forever()
        finally:
            self.ended.set()

    async def Chat(self, requests: AsyncIterator[StringValue], context: Any) -> AsyncIterator[StringValue]:
        async for request in requests:
            yield _text(request.value.upper())


def add_echo(servicer: Echo, server: Any) -> None:
    codec: Any = {"request_deserializer": StringValue.FromString, "response_serializer": StringValue.SerializeToString}
    handlers: dict[str, Any] = {
        "Unary": grpc.unary_unary_rpc_method_handler(servicer.Unary, **codec),
        "Gather": grpc.stream_unary_rpc_method_handler(servicer.Gather, **codec),
        "Tell": grpc.unary_stream_rpc_method_handler(servicer.Tell, **codec),
        "Chat": grpc.stream_stream_rpc_method_handler(servicer.Chat, **codec),
    }
    server.add_registered_method_handlers("test.Echo", handlers)


class EchoStub:
    def __init__(self, channel: grpc.aio.Channel) -> None:
        codec: Any = {
            "request_serializer": StringValue.SerializeToString,
            "response_deserializer": StringValue.FromString,
        }
        self.unary: Any = channel.unary_unary("/test.Echo/Unary", **codec)
        self.gather: Any = channel.stream_unary("/test.Echo/Gather", **codec)
        self.tell: Any = channel.unary_stream("/test.Echo/Tell", **codec)
        self.chat: Any = channel.stream_stream("/test.Echo/Chat", **codec)


_AuthServicer: Any = control_pb2_grpc.AuthServiceServicer  # as it is at run time: no abstract methods


class Control(_AuthServicer):  # type: ignore[misc]
    """The part of control's AuthService that the machinery itself uses."""

    issued = 0

    async def IssueServiceIdentity(self, request: Any, context: Any) -> Any:
        if request.secret != "s3cret":
            raise LaceError(Reason.TOKEN_INVALID, "no")
        self.issued += 1
        await asyncio.sleep(0.01)
        answer = control_pb2.IssueServiceIdentityResponse(identity=_signed(kind="service"))
        answer.expires_at.FromDatetime(datetime.now(UTC) + timedelta(seconds=0.4))
        return answer

    async def ListTokens(self, request: Any, context: Any) -> Any:
        return control_pb2.ListTokensResponse(next_page_token=current_call().principal_id)

    async def IssueRunGrant(self, request: Any, context: Any) -> Any:
        return control_pb2.IssueRunGrantResponse(identity="grant")


class World:
    """A server, and whatever was opened to it."""

    def __init__(self, stack: contextlib.AsyncExitStack) -> None:
        self.verifier = IdentityVerifier()
        self.verifier.update_keys({_SIGNER.key_id: _SIGNER.public_key_pem})
        self.server = RpcServer("test", verifier=self.verifier, public_methods=frozenset({"/test.Echo/Tell"}))
        self.echo = Echo(self.server.draining)
        self.control = Control()
        self.port = 0
        self._stack = stack

    def channel(self, *scopes: str, anonymous: bool = False, **options: Any) -> grpc.aio.Channel:
        async def supply() -> str:
            return _signed(*scopes, **options)

        channel = open_channel(f"127.0.0.1:{self.port}", identity=None if anonymous else supply)
        self._stack.push_async_callback(channel.close)
        return channel

    def stub(self, *scopes: str, **options: Any) -> EchoStub:
        return EchoStub(self.channel(*scopes, **options))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with contextlib.AsyncExitStack() as stack:
        world = World(stack)
        world.server.add(add_echo, world.echo)
        world.server.add(control_pb2_grpc.add_AuthServiceServicer_to_server, world.control)
        world.port = await world.server.start("127.0.0.1:0")
        stack.push_async_callback(world.server.stop, 0.2)
        yield world


async def _refusal(call: Any) -> LaceError:
    with pytest.raises(LaceError) as caught:
        await call
    return caught.value


async def test_all_four_shapes(world: World) -> None:
    stub = world.stub()

    async def requests() -> AsyncIterator[StringValue]:
        for letter in "abc":
            yield _text(letter)

    assert (await stub.unary(_text("x"))).value == "x"
    assert (await stub.gather(requests())).value == "abc"
    assert [answer.value[:2] async for answer in stub.tell(_text("n"))] == ["n0", "n1", "n2"]
    assert [answer.value async for answer in stub.chat(requests())] == ["A", "B", "C"]


async def test_what_travels_with_a_call(world: World) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    call = CallContext(None, "req_1", "cor_1", "key_1", trace, signed_identity=_signed())
    stub = world.stub(anonymous=True)
    with acting_as(call):
        assert (await stub.unary(_text("call"))).value == f"req_1|cor_1|key_1|{trace}|ten_a"
        assert (await anext(aiter(stub.tell(_text("n"))))).value == "n0:req_1"
        named = await stub.unary(_text("call"), metadata=(("idempotency-key", "key_2"),))
        assert named.value.split("|")[2] == "key_2"


async def test_ids_are_made_where_there_are_none(world: World) -> None:
    request_id, correlation_id, *rest = (await world.stub().unary(_text("call"))).value.split("|")
    assert request_id.startswith("req_")
    assert correlation_id == request_id
    assert rest == ["-", "-", "ten_a"]


async def test_deadline_is_the_shortest_there_is(world: World) -> None:
    stub = world.stub()
    assert 20.1 < float((await stub.unary(_text("remaining"))).value) <= 30.1
    assert 10 < float((await stub.unary(_text("remaining"), timeout=20)).value) <= 20.1
    with acting_as(CallContext(None, "r", "c", deadline=time.monotonic() + 10, signed_identity=_signed())):
        assert 1 < float((await stub.unary(_text("remaining"), timeout=20)).value) <= 10.1
    with acting_as(CallContext(None, "r", "c", deadline=time.monotonic() - 1)):
        assert (await _refusal(stub.unary(_text("x")))).reason is Reason.DEADLINE_EXCEEDED


async def test_deadline_ends_the_call_at_both_ends(world: World) -> None:
    started = time.monotonic()
    error = await _refusal(world.stub().unary(_text("slow"), timeout=0.2))
    assert (error.reason, error.retryable) == (Reason.DEADLINE_EXCEEDED, True)
    assert time.monotonic() - started < 20
    await asyncio.wait_for(world.echo.ended.wait(), 10)


async def test_callers_without_a_deadline_get_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lace_platform.rpc.handlers.DEFAULT_DEADLINE_S", 0.2)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{world.port}") as bare:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await EchoStub(bare).unary(_text("slow"), metadata=(("authorization", f"Bearer {_signed()}"),))
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_cancelled_caller_ends_the_handler(world: World) -> None:
    task = asyncio.create_task(world.stub().unary(_text("slow")))
    await asyncio.wait_for(world.echo.begun.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(world.echo.ended.wait(), 10)


async def test_errors_cross_whole(world: World) -> None:
    error = await _refusal(world.stub().unary(_text("refuse")))
    assert (error.reason, error.message, error.details) == (Reason.ETAG_MISMATCH, "changed", (Detail("etag", "old"),))
    assert error.retry_after == 1.5
    answers = world.stub().tell(_text("fail"))
    told = []
    with pytest.raises(LaceError) as caught:
        async for answer in answers:
            told.append(answer)
    assert (caught.value.reason, len(told)) == (Reason.RUN_NOT_FOUND, 3)


async def test_a_refusal_reaches_a_caller_who_still_sends(world: World) -> None:
    """Twenty at once, as a call that is reset while it sends loses its words only sometimes."""

    async def requests() -> AsyncIterator[StringValue]:
        for _ in range(12):
            yield _text("refuse" + "x" * 250_000)

    for stub, reason in (
        (world.stub(), Reason.SOURCE_FORMAT_UNSUPPORTED),
        (world.stub(anonymous=True), Reason.TOKEN_MISSING),
    ):
        refusals = await asyncio.gather(*(_refusal(stub.gather(requests())) for _ in range(20)))
        assert {refusal.reason for refusal in refusals} == {reason}


async def test_a_refused_caller_who_never_ends_is_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lace_platform.rpc.handlers._LONGEST_HEARING_S", 0.2)

    async def requests() -> AsyncIterator[StringValue]:
        yield _text("refuse")
        await asyncio.sleep(60)

    started = time.monotonic()
    assert (await _refusal(world.stub().gather(requests()))).reason is Reason.SOURCE_FORMAT_UNSUPPORTED
    assert time.monotonic() - started < 30


async def test_unknown_exceptions_are_opaque_and_logged(world: World) -> None:
    with structlog.testing.capture_logs() as lines:
        with acting_as(CallContext(None, "req_1", "cor_1", signed_identity=_signed())):
            error = await _refusal(world.stub(anonymous=True).unary(_text("bug")))
    assert error.reason is Reason.INTERNAL
    assert "cor_1" in error.message
    assert "SQL" not in error.message
    failed = next(line for line in lines if line["event"] == "rpc_failed")
    assert isinstance(failed["exc_info"], ZeroDivisionError)
    assert failed["correlation_id"] == "cor_1"


async def test_each_call_leaves_a_line(world: World) -> None:
    with structlog.testing.capture_logs() as lines:
        await world.stub().unary(_text("x"))
        await _refusal(world.stub().unary(_text("refuse")))
        await _refusal(world.stub().unary(_text("abort")))
    noted = [(line["method"], line["code"], line.get("reason")) for line in lines if line["event"] == "rpc"]
    assert noted == [
        ("/test.Echo/Unary", "OK", None),
        ("/test.Echo/Unary", "ABORTED", "ETAG_MISMATCH"),
        ("/test.Echo/Unary", "ALREADY_EXISTS", None),
    ]
    assert all(line["ms"] >= 0 and line["tenant_id"] == "ten_a" for line in lines if line["event"] == "rpc")


async def test_who_may_call(world: World) -> None:
    auth = control_pb2_grpc.AuthServiceStub
    listing = control_pb2.ListTokensRequest()
    grant = control_pb2.IssueRunGrantRequest(run_id="r", tenant_id="t", principal_id="p")
    assert (await _refusal(auth(world.channel(anonymous=True)).ListTokens(listing))).reason is Reason.TOKEN_MISSING
    assert (await _refusal(auth(world.channel()).ListTokens(listing))).reason is Reason.PERMISSION_DENIED
    assert (await auth(world.channel("admin")).ListTokens(listing)).next_page_token == "prn_a"
    assert (await _refusal(auth(world.channel("admin")).IssueRunGrant(grant))).reason is Reason.PERMISSION_DENIED
    assert (await auth(world.channel(kind="service")).IssueRunGrant(grant)).identity == "grant"
    assert [answer async for answer in world.stub(anonymous=True).tell(_text("public"))]
    assert (await _refusal(world.stub(anonymous=True).unary(_text("x")))).reason is Reason.TOKEN_MISSING


async def test_revocation_is_seen_by_the_next_call(world: World) -> None:
    stub = world.stub(token_id="tok_r")
    await stub.unary(_text("x"))
    world.verifier.revoke(epoch=1, token_id="tok_r")
    assert (await _refusal(stub.unary(_text("x")))).reason is Reason.TOKEN_REVOKED


async def test_methods_that_a_servicer_lacks_are_not_available_yet(world: World) -> None:
    auth = control_pb2_grpc.AuthServiceStub(world.channel("admin"))
    error = await _refusal(auth.RevokeToken(control_pb2.RevokeTokenRequest(token_id="t")))
    assert (error.reason, error.message) == (Reason.NOT_AVAILABLE_YET, "RevokeToken is not available yet.")
    with pytest.raises(LaceError) as caught:
        await anext(aiter(auth.WatchRevocations(control_pb2.WatchRevocationsRequest())))
    assert caught.value.reason is Reason.NOT_AVAILABLE_YET


async def test_requests_are_validated_after_access_is_checked(world: World) -> None:
    bad = control_pb2.ListTokensRequest(page_size=-1)
    auth = control_pb2_grpc.AuthServiceStub
    assert (await _refusal(auth(world.channel()).ListTokens(bad))).reason is Reason.PERMISSION_DENIED
    error = await _refusal(auth(world.channel("admin")).ListTokens(bad))
    assert (error.reason, error.details[0].field) == (Reason.INVALID_ARGUMENT, "/page_size")


async def test_service_identity_is_renewed_in_time_and_once_for_all_waiters(world: World) -> None:
    identity = ServiceIdentity(world.channel(anonymous=True), "runs", "s3cret")
    tokens = await asyncio.gather(*(identity.token() for _ in range(5)))
    assert len(set(tokens)) == 1
    assert world.control.issued == 1
    await asyncio.sleep(0.3)
    await identity.token()
    assert world.control.issued == 2
    wrong = ServiceIdentity(world.channel(anonymous=True), "runs", "guess")
    assert (await _refusal(wrong.token())).reason is Reason.TOKEN_INVALID


async def test_reader_that_leaves_ends_the_stream(world: World) -> None:
    answers = world.stub().tell(_text("forever"))
    async for _ in answers:
        break
    assert answers.cancel()
    await asyncio.wait_for(world.echo.ended.wait(), 10)
    assert [answer async for answer in answers] == []


async def test_cancelled_reader_ends_the_stream(world: World) -> None:
    async def read() -> None:
        async for _ in world.stub().tell(_text("forever")):
            pass

    task = asyncio.create_task(read())
    await asyncio.wait_for(world.echo.begun.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(world.echo.ended.wait(), 10)


async def test_draining_ends_streams_soon_and_lets_calls_finish(world: World) -> None:
    async def read(what: str) -> list[str]:
        told = []
        try:
            async for answer in world.stub().tell(_text(what)):
                told.append(answer.value.split(":")[0])
        except LaceError as error:
            told.append(f"{error.reason.value} {error.retryable}")
        return told

    readers = [asyncio.create_task(read(what)) for what in ("watch", "forever")]
    await asyncio.wait_for(world.echo.begun.wait(), 10)
    await asyncio.wait_for(world.echo.watching.wait(), 10)
    started = time.monotonic()
    await world.server.stop(60)
    assert time.monotonic() - started < 30
    watching, stubborn = await asyncio.gather(*readers)
    assert watching == ["watch0", "watch1", "watch2", "bye"]
    assert stubborn == ["forever0", "forever1", "forever2", "SERVICE_UNAVAILABLE True"]


async def test_call_under_way_outlives_the_beginning_of_the_end(world: World) -> None:
    async def requests() -> AsyncIterator[StringValue]:
        yield _text("a")
        await asyncio.sleep(0.3)
        yield _text("b")

    task = asyncio.create_task(world.stub().gather(requests()))
    await asyncio.sleep(0.1)
    await world.server.stop(5)
    assert (await task).value == "ab"


async def test_health_and_reflection_are_open(world: World) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{world.port}") as bare:
        check: Any = health_pb2_grpc.HealthStub(bare).Check
        for service in ("", "test.Echo", "lace.control.v1.AuthService"):
            answer = await check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_server_that_is_not_there_yet_is_waited_for() -> None:
    async with contextlib.AsyncExitStack() as stack:
        world = World(stack)
        world.server.add(add_echo, world.echo)
        world.port = await world.server.start("127.0.0.1:0")
        await world.server.stop(0)
        late = World(stack)
        late.server.add(add_echo, late.echo)
        call = asyncio.create_task(world.stub().unary(_text("x")))
        await asyncio.sleep(0.3)
        await late.server.start(f"127.0.0.1:{world.port}")
        stack.push_async_callback(late.server.stop, 0)
        assert (await call).value == "x"


async def test_server_that_never_comes_is_unavailable(monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    monkeypatch.setattr("lace_platform.rpc.client.CONNECT_TIMEOUT_S", 0.3)
    async with open_channel(f"127.0.0.1:{free_port}") as channel:
        error = await _refusal(EchoStub(channel).unary(_text("x")))
    assert (error.reason, error.retryable) == (Reason.SERVICE_UNAVAILABLE, True)


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_only_reads_are_repeated(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stub = world.stub()
    assert (await _refusal(stub.unary(_text("flaky")))).reason is Reason.SERVICE_UNAVAILABLE
    assert len(world.echo.seen) == 1
    always: Callable[[str], bool] = lambda method: True  # noqa: E731
    monkeypatch.setattr("lace_platform.rpc.client.may_repeat", always)
    assert (await _refusal(world.stub().unary(_text("flaky")))).reason is Reason.SERVICE_UNAVAILABLE
    assert len(world.echo.seen) == 4


async def test_taken_port_is_an_error(world: World) -> None:
    other = RpcServer("other", verifier=world.verifier)
    with pytest.raises(RuntimeError):
        await other.start(f"127.0.0.1:{world.port}")
    await other.stop(0)


async def test_streaming_method_that_generates_nothing_is_refused(world: World) -> None:
    class Wrong(Echo):
        async def Tell(self, request: StringValue, context: Any) -> None:  # type: ignore[override]
            return None

    with pytest.raises(TypeError, match="async generator"):
        RpcServer("wrong", verifier=world.verifier).add(add_echo, Wrong(asyncio.Event()))
