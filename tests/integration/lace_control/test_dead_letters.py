"""Dead letters from the bus to the API and back: kept with their cause, seen by who may, sent again once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from lace.control.v1 import control_pb2, dead_letters_pb2, dead_letters_pb2_grpc
from lace_core.errors import LaceError, Reason
from lace_platform.bus import Envelope
from lace_platform.ids import new_id

_TOPIC = "compile.requested"
_DEAD = dead_letters_pb2.DEAD_LETTER_STATE_DEAD
_REDRIVEN = dead_letters_pb2.DEAD_LETTER_STATE_REDRIVEN
_DISCARDED = dead_letters_pb2.DEAD_LETTER_STATE_DISCARDED


@dataclass
class Consumers:
    """Two groups on one topic: one that refuses what it is told to, one that takes all."""

    stub: Any
    bus: Any
    group: str
    refusing: bool = True
    mine: set[str] = field(default_factory=set)
    tried: list[Envelope] = field(default_factory=list)
    taken: list[Envelope] = field(default_factory=list)
    elsewhere: list[Envelope] = field(default_factory=list)

    async def handle(self, envelope: Envelope) -> None:
        if envelope.id not in self.mine:
            return  # of another test: a new group is given all that is kept
        self.tried.append(envelope)
        if self.refusing:
            raise LaceError(Reason.COMPILE_TARGET_UNKNOWN, "No target epub.")
        self.taken.append(envelope)

    async def watch(self, envelope: Envelope) -> None:
        if envelope.id in self.mine:
            self.elsewhere.append(envelope)

    async def send(self, tenant_id: str, key: str = "", **headers: str) -> Envelope:
        sent = Envelope(new_id("evt"), tenant_id, _TOPIC, key or new_id("run"), b'{"target": "epub"}', headers=headers)
        self.mine.add(sent.id)
        await self.bus.publish([sent])
        return sent

    async def letters(self, **search: Any) -> list[Any]:
        """The letters of this test's own group, newest first."""
        answer = await self.stub.ListDeadLetters(dead_letters_pb2.ListDeadLettersRequest(page_size=500, **search))
        return [letter for letter in answer.dead_letters if letter.group == self.group]

    async def until_letters(self, count: int, **search: Any) -> list[Any]:
        async with asyncio.timeout(30):
            while len(found := await self.letters(**search)) < count:
                await asyncio.sleep(0.02)
        return found


@pytest.fixture
async def consumers(installation: Any) -> AsyncIterator[Consumers]:
    stub = dead_letters_pb2_grpc.DeadLetterServiceStub(installation.channel)
    made = Consumers(stub, installation.platform.bus, new_id("group"))
    held = [
        await made.bus.subscribe([_TOPIC], made.group, made.handle),
        await made.bus.subscribe([_TOPIC], f"{made.group}.watching", made.watch),
    ]
    yield made
    for consumption in held:
        await consumption.close()


async def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "too late"
        await asyncio.sleep(0.01)


async def test_a_dead_letter_is_kept_with_its_cause(installation: Any, consumers: Consumers) -> None:
    tenant_id = installation.admin.tenant_id
    with installation.acting(installation.admin):
        sent = await consumers.send(tenant_id, correlation_id="c-1")
        [brief] = await consumers.until_letters(1, topic=_TOPIC, state=_DEAD)
        whole = await consumers.stub.GetDeadLetter(
            dead_letters_pb2.GetDeadLetterRequest(dead_letter_id=brief.dead_letter_id)
        )
        assert await consumers.letters(topic="provenance.logged") == []
        assert await consumers.letters(state=_REDRIVEN) == []
    assert brief.payload == ""
    assert (whole.payload, dict(whole.headers)["correlation_id"]) == ('{"target": "epub"}', "c-1")
    assert not any(name.startswith("dead-letter") for name in whole.headers)
    assert (whole.tenant_id, whole.topic, whole.key, whole.event_id) == (tenant_id, _TOPIC, sent.key, sent.id)
    assert (whole.error_code, whole.attempts) == ("COMPILE_TARGET_UNKNOWN", 1)
    assert "No target epub" in whole.error_message
    assert whole.died_at.ToDatetime() >= whole.created_at.ToDatetime()
    assert len(consumers.tried) == 1, "another attempt would have failed the same way"


async def test_redriving_sends_it_once_to_the_group_that_failed(installation: Any, consumers: Consumers) -> None:
    with installation.acting(installation.admin):
        sent = await consumers.send(installation.admin.tenant_id)
        [letter] = await consumers.until_letters(1)
    consumers.refusing = False
    request = dead_letters_pb2.RedriveDeadLetterRequest(dead_letter_id=letter.dead_letter_id)
    answers = []
    for _ in range(3):
        with installation.acting(installation.admin, f"redrive {letter.dead_letter_id}"):
            answers.append(await consumers.stub.RedriveDeadLetter(request))
    assert answers[0] == answers[1] == answers[2]
    assert (answers[0].state, answers[0].settled_by) == (_REDRIVEN, installation.admin.principal_id)
    await _until(lambda: consumers.taken)
    # What is behind it in the same key comes after it, so nothing more is on its way when that is there.
    after = await consumers.send(sent.tenant_id, sent.key)
    await _until(lambda: after in consumers.taken and after in consumers.elsewhere)
    assert [envelope.id for envelope in consumers.taken] == [sent.id, after.id]
    assert consumers.taken[0].payload == sent.payload
    assert consumers.taken[0].headers["redrive-of"] == letter.dead_letter_id
    assert [envelope.id for envelope in consumers.elsewhere] == [sent.id, after.id], "passed over by the other group"
    with installation.acting(installation.admin), pytest.raises(LaceError) as refused:
        await consumers.stub.RedriveDeadLetter(request)
    assert refused.value.reason is Reason.DEAD_LETTER_SETTLED
    with installation.acting(installation.admin):
        entries = await installation.audit.ListAuditEntries(control_pb2.ListAuditEntriesRequest(page_size=500))
    done = [entry for entry in entries.entries if entry.subject == letter.dead_letter_id]
    assert [(entry.action, entry.outcome) for entry in done] == [("dead_letter.redrive", "done")]
    assert done[0].details["event_id"] == sent.id


async def test_what_fails_again_is_another_letter_that_names_the_first(installation: Any, consumers: Consumers) -> None:
    with installation.acting(installation.admin):
        sent = await consumers.send(installation.admin.tenant_id)
        [first] = await consumers.until_letters(1)
        await consumers.stub.RedriveDeadLetter(
            dead_letters_pb2.RedriveDeadLetterRequest(dead_letter_id=first.dead_letter_id)
        )
        second, old = await consumers.until_letters(2)
        assert (old.dead_letter_id, old.state) == (first.dead_letter_id, _REDRIVEN)
        assert (second.redrive_of, second.event_id, second.state) == (first.dead_letter_id, sent.id, _DEAD)
        whole = await consumers.stub.GetDeadLetter(
            dead_letters_pb2.GetDeadLetterRequest(dead_letter_id=second.dead_letter_id)
        )
        assert not any(name.startswith("redrive") for name in whole.headers)
    with installation.acting(installation.admin):
        discarded = await consumers.stub.DiscardDeadLetter(
            dead_letters_pb2.DiscardDeadLetterRequest(dead_letter_id=second.dead_letter_id, reason="nobody needs it")
        )
    assert discarded.state == _DISCARDED
    with installation.acting(installation.admin), pytest.raises(LaceError) as refused:
        await consumers.stub.RedriveDeadLetter(
            dead_letters_pb2.RedriveDeadLetterRequest(dead_letter_id=second.dead_letter_id)
        )
    assert refused.value.reason is Reason.DEAD_LETTER_SETTLED


async def test_a_tenant_sees_its_own_and_the_system_all(installation: Any, consumers: Consumers) -> None:
    other = await installation.new_tenant()
    member = await installation.join("member")
    of_nobody = await consumers.send("")
    await consumers.send(other.tenant_id)
    with installation.acting(installation.admin):
        await consumers.send(installation.admin.tenant_id)
        found = await consumers.until_letters(3)
        assert {letter.tenant_id for letter in found} == {"", other.tenant_id, installation.admin.tenant_id}
        [theirs] = await consumers.letters(tenant_id=other.tenant_id)
        [nobody_s] = [letter for letter in found if letter.event_id == of_nobody.id]
    with installation.acting(other):
        assert [letter.dead_letter_id for letter in await consumers.letters()] == [theirs.dead_letter_id]
        for request, reason in (
            (dead_letters_pb2.GetDeadLetterRequest(dead_letter_id=nobody_s.dead_letter_id), "DEAD_LETTER_NOT_FOUND"),
            (dead_letters_pb2.GetDeadLetterRequest(dead_letter_id="dlt_none"), "DEAD_LETTER_NOT_FOUND"),
        ):
            with pytest.raises(LaceError) as refused:
                await consumers.stub.GetDeadLetter(request)
            assert refused.value.reason.value == reason
        with pytest.raises(LaceError) as refused:
            await consumers.letters(tenant_id=installation.admin.tenant_id)
        assert refused.value.reason is Reason.TENANT_NOT_FOUND
    with installation.acting(member), pytest.raises(LaceError) as refused:
        await consumers.letters()
    assert refused.value.reason is Reason.PERMISSION_DENIED
    with installation.acting(installation.admin):
        done = await consumers.stub.DiscardDeadLetter(
            dead_letters_pb2.DiscardDeadLetterRequest(dead_letter_id=theirs.dead_letter_id)
        )
    assert done.state == _DISCARDED, "who administers the system settles another tenant's"


async def test_pages_follow_one_another(installation: Any, consumers: Consumers) -> None:
    other = await installation.new_tenant()
    for _ in range(5):
        await consumers.send(other.tenant_id)
    with installation.acting(other):
        await consumers.until_letters(5)
        found, token = [], ""
        for _ in range(3):
            page = await consumers.stub.ListDeadLetters(
                dead_letters_pb2.ListDeadLettersRequest(page_size=2, page_token=token)
            )
            found.extend(page.dead_letters)
            token = page.next_page_token
        assert token == ""
        with pytest.raises(LaceError) as refused:
            await consumers.stub.ListDeadLetters(
                dead_letters_pb2.ListDeadLettersRequest(page_token="another list's", topic=_TOPIC)
            )
    assert refused.value.reason is Reason.PAGE_TOKEN_INVALID
    assert len({letter.dead_letter_id for letter in found}) == 5
    times = [(letter.died_at.ToNanoseconds(), letter.dead_letter_id) for letter in found]
    assert times == sorted(times, reverse=True)
