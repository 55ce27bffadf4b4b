"""The units of work, in memory and on Postgres: one suite for both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lace_compiler.adapters.memory_units import MemoryUnits
from lace_compiler.adapters.postgres_units import Payloads, PostgresUnits
from lace_compiler.app.ports import Units
from lace_compiler.domain.attempt import Bundle, Cause, Compiled
from lace_platform.ids import new_id

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
BUNDLE = Bundle("lace-compiled/x", "cc", 2**40, "application/pdf", "title.pdf")


HELD: frozenset[str] = frozenset()


@pytest.fixture(params=["memory", "postgres"])
def units(request: pytest.FixtureRequest, database: Callable[[str], Any]) -> Units:
    if request.param == "memory":
        return MemoryUnits()
    return PostgresUnits(database("compiler"), Payloads(lambda *_: b"{}", lambda _: b"{}"))


def attempt(number: int = 1, **fields: Any) -> Compiled:
    compiled = Compiled(
        compiled_id=f"cmp_{number}",
        artifact_id="art_1",
        revision_id="rev_1",
        target="pdf",
        attempt=number,
        compiler_version="1.0.0",
        settings_hash="dd",
        ir_hash="bb",
        created_at=NOW + timedelta(seconds=number),
        bundle=BUNDLE,
        warnings=("GLYPHS_MISSING: some", "FIGURE_AS_TEXT: one"),
    )
    return replace(compiled, **fields)


async def keep(units: Units, tenant_id: str, *attempts: Compiled) -> None:
    async with units.of_tenant(tenant_id) as unit:
        for each in attempts:
            await unit.compiled.add(tenant_id, "run_1", f"job_{each.compiled_id}", each)
        await unit.commit()


async def newest(units: Units, tenant_id: str, revision_id: str = "", artifact_id: str = "art_1") -> list[Compiled]:
    async with units.of_tenant(tenant_id) as unit:
        return list(await unit.compiled.newest(tenant_id, artifact_id, revision_id, 100, None, HELD))


async def test_an_attempt_comes_back_as_it_was_kept(units: Units, tenant_id: str) -> None:
    made = attempt()
    failed = attempt(2, bundle=None, error_code="COMPILE_FAILED", error_message="No «glyph».", warnings=())
    await keep(units, tenant_id, made, failed)
    assert await newest(units, tenant_id) == [failed, made]


async def test_what_is_not_committed_is_not_kept(units: Units, tenant_id: str) -> None:
    async with units.of_tenant(tenant_id) as unit:
        await unit.compiled.add(tenant_id, "run_1", "job_1", attempt())
    assert await newest(units, tenant_id) == []


async def test_attempts_are_counted_by_revision_and_target(units: Units, tenant_id: str) -> None:
    await keep(units, tenant_id, attempt(1), attempt(2), attempt(3, target="md", attempt=1))
    async with units.of_tenant(tenant_id) as unit:
        for place, number in (
            (("art_1", "rev_1", "pdf"), 3),
            (("art_1", "rev_1", "md"), 2),
            (("art_1", "rev_2", "pdf"), 1),
        ):
            assert await unit.compiled.next_attempt(tenant_id, *place) == number


async def test_an_attempt_is_kept_once(units: Units, tenant_id: str) -> None:
    await keep(units, tenant_id, attempt())
    with pytest.raises(Exception, match=r"cmp_1|compiled_artifacts_pkey"):
        await keep(units, tenant_id, attempt(attempt=2))
    assert len(await newest(units, tenant_id)) == 1


async def test_the_newest_come_first_and_a_page_goes_on_where_the_last_ended(units: Units, tenant_id: str) -> None:
    same_time = [attempt(n, created_at=NOW) for n in (1, 2, 3)]
    await keep(units, tenant_id, *same_time, attempt(4), attempt(5, revision_id="rev_2"))
    assert [c.compiled_id for c in await newest(units, tenant_id)] == ["cmp_5", "cmp_4", "cmp_3", "cmp_2", "cmp_1"]
    assert [c.compiled_id for c in await newest(units, tenant_id, "rev_2")] == ["cmp_5"]
    async with units.of_tenant(tenant_id) as unit:
        page = await unit.compiled.newest(tenant_id, "art_1", "", 2, (NOW, "cmp_3"), HELD)
    assert [c.compiled_id for c in page] == ["cmp_2", "cmp_1"]
    assert await newest(units, tenant_id, artifact_id="art_2") == []


async def test_a_tenant_sees_its_own_attempts_only(units: Units, tenant_id: str) -> None:
    await keep(units, tenant_id, attempt())
    other = new_id("ten")
    assert await newest(units, other) == []
    async with units.of_tenant(other) as unit:
        named = await unit.compiled.newest(tenant_id, "art_1", "", 10, None, HELD)
        assert named == [], "not even by naming the other tenant"
        assert await unit.compiled.next_attempt(other, "art_1", "rev_1", "pdf") == 1


async def test_who_lacks_a_label_of_an_attempt_does_not_see_it(units: Units, tenant_id: str) -> None:
    labelled, plain = attempt(1, labels=("x", "y")), attempt(2)
    await keep(units, tenant_id, labelled, plain)
    assert await newest(units, tenant_id) == [plain]
    async with units.of_tenant(tenant_id) as unit:
        assert list(await unit.compiled.newest(tenant_id, "art_1", "", 9, None, frozenset("xyz"))) == [plain, labelled]
        assert list(await unit.compiled.newest(tenant_id, "art_1", "", 9, None, frozenset("x"))) == [plain]


async def test_a_message_is_claimed_once_and_only_by_a_commit(units: Units, tenant_id: str) -> None:
    cause = Cause(new_id("evt"), tenant_id, "compile.requested")
    seen = []
    for commits in (False, True, False):
        async with units.of_tenant(tenant_id) as unit:
            seen.append(await unit.claim(cause))
            if commits:
                await unit.commit()
    assert seen == [True, True, False]
