"""What the units of work promise, in memory and on Postgres alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lace_platform.ids import new_id
from lace_provenance.adapters.memory import MemoryUnits
from lace_provenance.adapters.postgres_units import PostgresUnits
from lace_provenance.app.ports import Delivery, Units
from lace_provenance.app.record_log import Delivered, record_log, record_logs
from lace_provenance.domain.logs import (
    EntityRef,
    GenAi,
    Governance,
    Lineage,
    Pedigree,
    Provenance,
    Retention,
    Security,
    TransformationLog,
)

_NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_NOBODY: frozenset[str] = frozenset()
Record = Callable[..., Any]


@pytest.fixture(params=["memory", "postgres"])
def units(request: pytest.FixtureRequest) -> Units:
    if request.param == "memory":
        return MemoryUnits()
    return PostgresUnits(request.getfixturevalue("database")("provenance"))


@pytest.fixture
def record(units: Units, tenant_id: str) -> Record:
    """Records a log of the test's tenant: what it made of what, at a minute after noon."""

    async def add(made: str, used: str, minute: int = 0, **fields: Any) -> TransformationLog:
        log = TransformationLog(
            id=new_id("tlg"),
            tenant_id=tenant_id,
            run_id="run_1",
            stage="write",
            activity_name="write:x",
            started_at=_NOON,
            ended_at=_NOON + timedelta(minutes=minute),
            agent="runs/1",
            inputs=tuple(map(_entity, used.split())),
            outputs=tuple(map(_entity, made.split())),
        )
        log = replace(log, **fields)
        assert await record_log(units, Delivery(new_id("evt"), tenant_id, "provenance.logged"), log)
        return log

    return add


def _entity(name: str) -> EntityRef:
    """`a` or `a@2`: an entity, and which content of it."""
    entity_id, _, content = name.partition("@")
    return EntityRef(entity_id, f"hash{content}", f"lace-artifacts/{entity_id}/{content}", "step_output")


async def _ancestors(units: Units, tenant_id: str, entity_id: str, **bounds: Any) -> list[str]:
    bounds = {"labels": _NOBODY, "steps": 64, "limit": 1000, **bounds}
    async with units.of_tenant(tenant_id) as uow:
        return [found.entity_id for found in await uow.entities.ancestors(tenant_id, entity_id, **bounds)]


async def _of_run(units: Units, tenant_id: str, labels: frozenset[str] = _NOBODY, **bounds: Any) -> list[str]:
    bounds = {"limit": 100, "after": None, **bounds}
    async with units.of_tenant(tenant_id) as uow:
        return [log.id for log in await uow.logs.of_run(tenant_id, "run_1", labels, **bounds)]


async def test_every_field_is_kept(units: Units, tenant_id: str, record: Record) -> None:
    log = await record(
        "b",
        "a a@2",
        on_behalf_of="prn_1",
        trace_id="t" * 32,
        span_id="s" * 16,
        parent_span_id="p" * 16,
        lineage=Lineage(("a", "elsewhere"), "generate.write", "complete"),
        provenance=Provenance(("src_1", "src_2"), "upload"),
        pedigree=Pedigree("0.875", "passed", {"recall": 0.5, "cited": [1, "two", None]}, ("thin",)),
        security=Security("internal", ("draft",), ("EU",), ()),
        retention=Retention("keep", _NOON + timedelta(days=1)),
        genai=GenAi("m", "openai", "1", {"temperature": 0}, {"tokens": 12}, ("search",), ("cal_1",)),
        correlation_id="req_1",
        schema_version=3,
        governance=Governance("card", "model", "sheet"),
    )
    plain = await record("c", "b", minute=1)
    async with units.of_tenant(tenant_id) as uow:
        assert list(await uow.logs.of_run(tenant_id, "run_1", _NOBODY, 10, None)) == [log, plain]


async def test_a_log_is_kept_once(units: Units, tenant_id: str, record: Record) -> None:
    log = await record("b", "a")
    changed = replace(log, agent="someone else")
    assert not await record_log(units, Delivery(new_id("evt"), tenant_id, "provenance.logged"), changed)
    async with units.of_tenant(tenant_id) as uow:
        assert list(await uow.logs.of_run(tenant_id, "run_1", _NOBODY, 10, None)) == [log]


async def test_a_message_takes_effect_once(units: Units, tenant_id: str, record: Record) -> None:
    log = await record("b", "a")
    delivery = Delivery(new_id("evt"), tenant_id, "provenance.logged")
    others = [replace(log, id=new_id("tlg")) for _ in range(2)]
    outcomes = await asyncio.gather(*(record_log(units, delivery, other) for other in others))
    assert sorted(outcomes) == [False, True]
    assert len(await _of_run(units, tenant_id)) == 2


async def test_segments_that_overlap_leave_each_log_once(units: Units, tenant_id: str, record: Record) -> None:
    """As after a takeover, where two workers tell of the same steps, together with others."""
    first = await record("b", "a", agent="first")
    logs = [replace(first, id=f"tlg_{number}", outputs=(_entity(f"o{number}"),)) for number in range(12)]
    spans = [logs[begin : begin + 6] for begin in range(9)]
    messages = [Delivered(Delivery(new_id("evt"), tenant_id, "provenance.logged"), [first, *span]) for span in spans]
    one_by_one = [record_logs(units, tenant_id, [message]) for message in messages[::2]]
    added = await asyncio.gather(*one_by_one, record_logs(units, tenant_id, messages[1::2]))
    assert sum(added) == len(logs)
    assert await record_logs(units, tenant_id, messages) == 0
    assert await _of_run(units, tenant_id) == sorted([first.id, *(log.id for log in logs)])
    async with units.of_tenant(tenant_id) as uow:
        made = await uow.logs.touching(tenant_id, "o7", "generated", _NOBODY, 10)
        used = await uow.logs.touching(tenant_id, "a", "used", _NOBODY, 10)
    assert [log.id for log in made] == ["tlg_7"]
    assert [log.id for log in used] == sorted([first.id, *(log.id for log in logs)], reverse=True)[:10]


async def test_a_log_outside_runs_is_kept_once(units: Units, tenant_id: str, record: Record) -> None:
    first, second = await record("b", "a", run_id=""), await record("c", "b", run_id="")
    for log in (first, second):
        assert not await record_log(units, Delivery(new_id("evt"), tenant_id, "provenance.logged"), log)
    assert await _ancestors(units, tenant_id, "c") == ["b", "a"]
    assert await _of_run(units, tenant_id) == []


async def test_pages_go_on_where_segments_overlap(units: Units, tenant_id: str, record: Record) -> None:
    """Three workers' logs, each in a segment that begins before the one before it has ended."""
    first = await record("b", "a")
    logs = [
        replace(first, id=f"tlg_{number:02}", ended_at=_NOON + timedelta(minutes=number // 2)) for number in range(30)
    ]
    for part in (logs[::3], logs[1::3], logs[2:20:3], logs[20::3]):
        message = Delivered(Delivery(new_id("evt"), tenant_id, "provenance.logged"), part)
        await record_logs(units, tenant_id, [message])
    expected = sorted([first, *logs], key=lambda log: (log.ended_at, log.id))
    for size in (1, 4, 7, 31):
        seen: list[TransformationLog] = []
        while len(seen) < len(expected):
            after = (seen[-1].ended_at, seen[-1].id) if seen else None
            async with units.of_tenant(tenant_id) as uow:
                page = await uow.logs.of_run(tenant_id, "run_1", _NOBODY, size, after)
            assert len(page) == min(size, len(expected) - len(seen))
            seen += page
        assert seen == expected


async def test_the_newest_are_found_where_a_segment_also_uses_what_it_made(
    units: Units, tenant_id: str, record: Record
) -> None:
    """What a segment used last says nothing of when it made it."""
    parts = []
    for number in range(4):
        made = await record("m", "a", minute=number)
        parts.append(made)
        used = replace(made, id=new_id("tlg"), inputs=(_entity("m"),), outputs=(), ended_at=_NOON + timedelta(hours=9))
        earlier = replace(made, id=new_id("tlg"), ended_at=_NOON - timedelta(minutes=number + 1))
        message = Delivered(Delivery(new_id("evt"), tenant_id, "provenance.logged"), [used, earlier])
        await record_logs(units, tenant_id, [message])
    async with units.of_tenant(tenant_id) as uow:
        found = await uow.logs.touching(tenant_id, "m", "generated", _NOBODY, 2)
    assert [log.id for log in found] == [parts[3].id, parts[2].id]


async def test_what_is_not_committed_is_not_kept(units: Units, tenant_id: str, record: Record) -> None:
    log = await record("b", "a")
    async with units.of_tenant(tenant_id) as uow:
        assert await uow.logs.add(tenant_id, [replace(log, id="tlg_lost")])
    assert await _of_run(units, tenant_id) == [log.id]


async def test_a_runs_logs_come_in_order_of_their_end_page_by_page(
    units: Units, tenant_id: str, record: Record
) -> None:
    logs = [await record("b", "a", minute) for minute in (3, 1, 2, 1)]
    await record("b", "a", run_id="run_2")
    expected = [log.id for log in sorted(logs, key=lambda log: (log.ended_at, log.id))]
    by_id = {log.id: log for log in logs}
    seen: list[str] = []
    after = None
    while page := await _of_run(units, tenant_id, limit=3, after=after):
        seen += page
        after = (by_id[page[-1]].ended_at, page[-1])
    assert seen == expected


async def test_another_tenant_sees_nothing(units: Units, tenant_id: str, record: Record) -> None:
    await record("b", "a")
    other = new_id("ten")
    assert await _of_run(units, other) == []
    assert await _ancestors(units, other, "b") == []
    async with units.of_tenant(other) as uow:
        assert list(await uow.entities.contents(other, "b", _NOBODY)) == []
        assert list(await uow.logs.touching(other, "b", "generated", _NOBODY, 10)) == []


async def test_an_entitys_contents_come_newest_first(units: Units, tenant_id: str, record: Record) -> None:
    await record("b@2", "a", minute=2)
    await record("b@3", "b@2", minute=3)
    await record("b@1", "a", minute=1)
    async with units.of_tenant(tenant_id) as uow:
        found = await uow.entities.contents(tenant_id, "b", _NOBODY)
    assert list(found) == [_entity("b@3"), _entity("b@2"), _entity("b@1")]


async def test_an_entity_was_first_seen_when_its_earliest_log_ended(
    units: Units, tenant_id: str, record: Record
) -> None:
    await record("b@2", "x", minute=5)
    await record("b@1", "x", minute=4)
    await record("c", "b@2", minute=1)
    async with units.of_tenant(tenant_id) as uow:
        found = await uow.entities.contents(tenant_id, "b", _NOBODY)
    assert [entity.content_hash for entity in found] == ["hash1", "hash2"]


async def test_what_made_and_what_used_an_entity_come_newest_first(
    units: Units, tenant_id: str, record: Record
) -> None:
    first, second = await record("b", "a", minute=1), await record("b c", "a", minute=2)
    user = await record("d", "b", minute=3)
    async with units.of_tenant(tenant_id) as uow:
        made = await uow.logs.touching(tenant_id, "b", "generated", _NOBODY, 10)
        used = await uow.logs.touching(tenant_id, "b", "used", _NOBODY, 10)
        newest = await uow.logs.touching(tenant_id, "b", "generated", _NOBODY, 1)
    assert [log.id for log in made] == [second.id, first.id]
    assert [log.id for log in used] == [user.id]
    assert [log.id for log in newest] == [second.id]


async def test_ancestors_come_nearest_first(units: Units, tenant_id: str, record: Record) -> None:
    await record("units", "source")
    await record("outline", "units settings")
    await record("text", "outline units")
    await record("revision", "text")
    await record("file", "revision settings")
    expected = ["revision", "settings", "text", "outline", "units", "source"]
    assert await _ancestors(units, tenant_id, "file") == expected
    assert await _ancestors(units, tenant_id, "file", steps=2) == expected[:3]
    assert await _ancestors(units, tenant_id, "file", limit=1) == expected[:1]
    assert await _ancestors(units, tenant_id, "source") == []


async def test_what_a_log_says_it_derived_from_counts_alone(units: Units, tenant_id: str, record: Record) -> None:
    await record("text", "units settings", lineage=Lineage(was_derived_from=("units", "elsewhere")))
    async with units.of_tenant(tenant_id) as uow:
        found = await uow.entities.ancestors(tenant_id, "text", _NOBODY, 64, 1000)
    assert list(found) == [EntityRef("elsewhere"), _entity("units")]


async def test_a_segment_leads_from_its_last_step_to_its_first(units: Units, tenant_id: str, record: Record) -> None:
    first = await record("s1", "s0")
    chain = [
        replace(first, id=f"tlg_{n}", inputs=(_entity(f"s{n}"),), outputs=(_entity(f"s{n + 1}"),)) for n in range(1, 9)
    ]
    message = Delivered(Delivery(new_id("evt"), tenant_id, "provenance.logged"), chain)
    assert await record_logs(units, tenant_id, [message]) == 8
    assert await _ancestors(units, tenant_id, "s9") == [f"s{n}" for n in range(8, -1, -1)]
    assert await _ancestors(units, tenant_id, "s9", steps=3) == ["s8", "s7", "s6"]


async def test_cycles_end(units: Units, tenant_id: str, record: Record) -> None:
    await record("b", "a")
    await record("a", "b")
    await record("c", "c b")
    assert await _ancestors(units, tenant_id, "a") == ["b"]
    assert await _ancestors(units, tenant_id, "c") == ["b", "a"]


async def test_many_ways_to_one_entity_do_not_multiply(units: Units, tenant_id: str, record: Record) -> None:
    """Forty layers of two that each come from both of the layer before: 2**40 ways."""
    for layer in range(40):
        await record(f"l{layer + 1:02} r{layer + 1:02}", f"l{layer:02} r{layer:02}")
    async with asyncio.timeout(30):
        found = await _ancestors(units, tenant_id, "l40")
    assert found[:4] == ["l39", "r39", "l38", "r38"]
    assert len(found) == 80


async def test_a_content_named_twice_is_one_ancestor(units: Units, tenant_id: str, record: Record) -> None:
    await record("text", "units", lineage=Lineage(was_derived_from=("units",)))
    await record("text", "outline", lineage=Lineage(was_derived_from=("units", "outline")))
    assert await _ancestors(units, tenant_id, "text") == ["outline", "units"]


async def test_labels_hide_logs_and_all_that_only_they_tell(units: Units, tenant_id: str, record: Record) -> None:
    secret = await record("b", "a", security=Security(abac_labels=("secret", "nato")))
    plain = await record("c", "b", minute=1)
    assert await _of_run(units, tenant_id) == [plain.id]
    assert await _of_run(units, tenant_id, frozenset({"secret"})) == [plain.id]
    assert await _of_run(units, tenant_id, frozenset({"secret", "nato", "more"})) == [secret.id, plain.id]
    assert await _ancestors(units, tenant_id, "c") == ["b"]
    assert await _ancestors(units, tenant_id, "c", labels=frozenset({"secret", "nato"})) == ["b", "a"]
    async with units.of_tenant(tenant_id) as uow:
        assert list(await uow.entities.contents(tenant_id, "a", _NOBODY)) == []
        assert list(await uow.entities.contents(tenant_id, "b", _NOBODY)) == [_entity("b")]
        assert list(await uow.logs.touching(tenant_id, "b", "generated", _NOBODY, 10)) == []
