"""What every store keeps of documents that come in by the hundred, held to memory and to Postgres alike."""

from __future__ import annotations

from datetime import timedelta

from lace_core.ids import derive
from lace_ingest.app.ports import UnitsOfWork
from lace_ingest.domain.intake import ImportRecord
from lace_platform.ids import new_id
from tests.contract.lace_ingest.test_repositories import NOW, keep, source, work

__all__ = ["work"]


async def test_many_sources_come_in_the_order_of_their_ids_as_far_as_they_may_be_seen(
    work: UnitsOfWork, tenant_id: str
) -> None:
    made = [await keep(work, tenant_id, source(f"{name}.md")) for name in "abc"]
    secret = await keep(work, tenant_id, source("s.md", labels=("secret",)))
    ids = [made[2].source_id, "src_none", secret.source_id, made[0].source_id, made[2].source_id]
    async with work(tenant_id) as unit_of_work:
        found = await unit_of_work.intake.many(tenant_id, frozenset(), ids)
        assert [one.source_id for one in found] == [made[2].source_id, made[0].source_id]
        held = await unit_of_work.intake.many(tenant_id, frozenset({"secret"}), ids)
        assert [one.filename for one in held] == ["c.md", "s.md", "a.md"]
        assert await unit_of_work.intake.many(tenant_id, frozenset(), []) == []


async def test_imports_are_remembered_and_replaced_by_newer_ones(work: UnitsOfWork, tenant_id: str) -> None:
    first, second = [await keep(work, tenant_id, source(f"{name}.md")) for name in "ab"]
    old = [ImportRecord("x/ü.md", "1", first.source_id), ImportRecord("y.md", "1", first.source_id)]
    new = [ImportRecord("x/ü.md", "2", second.source_id)]
    for records in (old, new, new):
        async with work(tenant_id) as unit_of_work:
            await unit_of_work.intake.note_imports(tenant_id, records, NOW)
            await unit_of_work.commit()
    async with work(tenant_id) as unit_of_work:
        found = await unit_of_work.intake.imported(tenant_id, ["x/ü.md", "y.md", "z.md"])
        assert found == {"x/ü.md": new[0], "y.md": old[1]}
        other = derive("ten", tenant_id, "other")
    async with work(other) as unit_of_work:
        assert await unit_of_work.intake.imported(other, ["y.md"]) == {}


async def test_cancelled_runs_are_remembered_for_a_month(work: UnitsOfWork, tenant_id: str) -> None:
    runs = [new_id("run") for _ in range(3)]
    for run_id, days in ((runs[0], 0), (runs[1], 20), (runs[1], 25), (runs[2], 45)):
        async with work(tenant_id) as unit_of_work:
            await unit_of_work.intake.cancel(tenant_id, run_id, NOW + timedelta(days=days))
            await unit_of_work.commit()
    async with work(tenant_id) as unit_of_work:
        known = [await unit_of_work.intake.is_cancelled(tenant_id, run_id) for run_id in (*runs, "run_none")]
    assert known == [False, True, True, False]


async def test_a_message_is_claimed_once_by_each_handler(work: UnitsOfWork, tenant_id: str) -> None:
    event_id = new_id("evt")
    claims = []
    for handler in ("a", "a", "b"):
        async with work(tenant_id) as unit_of_work:
            claims.append(await unit_of_work.claim_for(handler, tenant_id, event_id))
            await unit_of_work.commit()
    assert claims == [True, False, True]
