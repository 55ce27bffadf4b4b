"""Retries, dead letters and traces, as all bus adapters share them."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import pytest
import structlog
from opentelemetry import trace

from lace_core.errors import LaceError, Reason
from lace_platform.bus import Envelope
from lace_platform.bus.delivery import RetryPolicy, attempt, cause_of_death, dead_letter, is_permanent
from lace_platform.bus.envelope import REDRIVE_GROUP

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ENVELOPE = Envelope(
    "evt_1",
    "ten_1",
    "source.ingest.requested",
    "run_1",
    b"{}",
    headers={"traceparent": TRACEPARENT, "correlation_id": "c-1"},
)


def test_pauses_double_up_to_the_longest_with_jitter() -> None:
    policy = RetryPolicy(attempts=20, first_pause_s=0.5, longest_pause_s=10)
    for made, middle in ((1, 0.5), (2, 1), (4, 4), (6, 10), (500, 10)):
        pauses = [policy.pause(made) for _ in range(50)]
        assert min(pauses) >= middle * 0.8
        assert max(pauses) <= middle * 1.2
        assert max(pauses) > min(pauses)


def test_the_default_rides_out_a_restart_and_then_gives_up() -> None:
    policy = RetryPolicy()
    total = sum(policy.pause(made) for made in range(1, policy.attempts))
    assert 20 < total < 60
    assert [policy.is_over(ENVELOPE, made) for made in (policy.attempts - 1, policy.attempts)] == [False, True]


@pytest.mark.parametrize(
    ("error", "permanent"),
    [
        (LaceError(Reason.INVALID_ARGUMENT, "no such field"), True),
        (LaceError(Reason.SOURCE_NOT_FOUND, "no such source"), True),
        (LaceError(Reason.SERVICE_UNAVAILABLE, "try again", retryable=True), False),
        (LaceError(Reason.INTERNAL, "who knows"), False),
        (json.JSONDecodeError("no JSON", "{", 1), True),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no text"), True),
        (msgspec.ValidationError("Expected `int`"), True),
        (ConnectionError("away"), False),
        (KeyError("a fault of ours"), False),
        (None, False),
    ],
    ids=repr,
)
def test_only_what_would_fail_the_same_way_again_is_given_up_at_once(error: Exception | None, permanent: bool) -> None:
    assert is_permanent(error) is permanent
    assert RetryPolicy().is_over(ENVELOPE, 1, error) is permanent
    assert not RetryPolicy().is_over(dead_letter(ENVELOPE, {}), 1, error)


async def test_a_redriven_message_is_passed_over_by_other_groups() -> None:
    handled = []

    async def handler(envelope: Envelope) -> None:
        handled.append(envelope.topic)

    again = replace(ENVELOPE, headers={REDRIVE_GROUP: "ingest"})
    assert await attempt(handler, again, "elsewhere", 1) is None
    assert handled == []
    await attempt(handler, again, "ingest", 1)
    await attempt(handler, dead_letter(again, {}), "control.dead_letters", 1)
    assert handled == ["source.ingest.requested", "source.ingest.requested.dlq"]


def test_a_dead_letter_is_never_given_up() -> None:
    letter = dead_letter(ENVELOPE, {})
    assert letter.topic == "source.ingest.requested.dlq"
    assert not RetryPolicy(attempts=1).is_over(letter, 100)


def test_a_dead_letter_is_the_message_with_its_cause() -> None:
    cause = cause_of_death(ENVELOPE, LaceError(Reason.SOURCE_ENCRYPTED, "page 1\x00"), "ingest", 8)
    letter = dead_letter(ENVELOPE, cause)
    assert (letter.id, letter.key, letter.payload, letter.tenant_id) == ("evt_1", "run_1", b"{}", "ten_1")
    assert letter.headers["correlation_id"] == "c-1"
    assert letter.headers["dead-letter-reason"] == "SOURCE_ENCRYPTED"
    assert letter.headers["dead-letter-attempts"] == "8"
    assert "page 1" in letter.headers["dead-letter-error"]
    assert "\x00" not in letter.headers["dead-letter-error"]
    assert "dead-letter-reason" not in cause_of_death(ENVELOPE, ValueError("x" * 9000), "ingest", 8)
    assert len(cause_of_death(ENVELOPE, ValueError("x" * 9000), "ingest", 8)["dead-letter-error"]) <= 2000


async def test_the_handler_runs_in_the_sender_s_trace_and_under_its_correlation_id() -> None:
    seen = {}

    async def handler(_envelope: Envelope) -> None:
        seen["trace"] = trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)
        seen["correlation"] = structlog.contextvars.get_contextvars()["correlation_id"]

    assert await attempt(handler, ENVELOPE, "ingest", 1) is None
    assert seen == {"trace": TRACEPARENT.split("-")[1], "correlation": "c-1"}
    assert "correlation_id" not in structlog.contextvars.get_contextvars()


async def test_an_error_is_returned_but_an_end_of_the_process_is_not_caught() -> None:
    async def fail(_envelope: Envelope) -> None:
        raise ValueError("bad")

    async def end(_envelope: Envelope) -> None:
        raise KeyboardInterrupt

    assert isinstance(await attempt(fail, ENVELOPE, "ingest", 1), ValueError)
    with pytest.raises(KeyboardInterrupt):
        await attempt(end, ENVELOPE, "ingest", 1)
