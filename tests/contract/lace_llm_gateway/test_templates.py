"""One suite over both engines of the template store: hashes, idempotency, numbers and JSON come out the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from lace_core.canonical import canonical_json, canonical_json_of_text, sha256_hex
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.postgres_templates import PostgresTemplateUnits
from lace_llm_gateway.adapters.record_seals import HmacSeals
from lace_llm_gateway.adapters.sqlite_templates import SqliteTemplateUnits
from lace_llm_gateway.api.convert_batches import run_recorded_payload
from lace_llm_gateway.app.templates.ports import TemplateUnits
from lace_llm_gateway.domain.exchange import Message
from lace_llm_gateway.domain.stored_templates import (
    SYSTEM_TENANT,
    AlsBlock,
    Answered,
    GroundingMode,
    Provenance,
    RunFilter,
    Template,
    TemplateContent,
    TemplateMode,
    TemplateRun,
    TemplateRunState,
    Variable,
    VariableType,
)
from lace_platform.auth import Identity
from lace_platform.db.database import Database
from lace_platform.ids import new_id
from lace_platform.rpc import CallContext, acting_as
from tests.doubles.template_world import NOW, StandingClock
from tests.doubles.template_world import SEALS as KEYS

GOLDEN = Path(__file__).parents[2] / "golden" / "canonical"
SEALS = HmacSeals(KEYS)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture(params=["postgres", "sqlite"])
async def units(
    request: pytest.FixtureRequest, database: Callable[[str], Database], clock: StandingClock, tmp_path: Path
) -> AsyncIterator[TemplateUnits]:
    if request.param == "postgres":
        yield PostgresTemplateUnits(database("llm_gateway"), clock, run_recorded_payload)
        return
    sqlite = SqliteTemplateUnits(tmp_path / "templates.db", clock)
    yield sqlite
    await sqlite.close()


def content(**changes: Any) -> TemplateContent:
    base = TemplateContent(
        name="advice",
        version="1",
        messages=(Message("system", "Be brief."), Message("user", "About {{topic}}: {{figures}}")),
        variables=(Variable("topic"), Variable("figures", VariableType.JSON, optional=True, description="Numbers.")),
        mode=TemplateMode.JSON,
        output_schema={"type": "object", "properties": {"n": {"type": "number", "maximum": 0.1234565}}},
        temperature_milli=0,
        max_output_tokens=300,
        locales=("de-AT", "en"),
    )
    return replace(base, **changes)


def sealed(tenant_id: str, what: TemplateContent, at: datetime = NOW) -> Template:
    canonical = what.canonical()
    template = Template(
        tenant_id, new_id("tpl"), sha256_hex(canonical), what.name, what.version, canonical.decode(), at, "prn_1", "k1"
    )
    return replace(template, record_hmac=SEALS.seal("k1", template.sealed_bytes()))


def run_of(template: Template, **changes: Any) -> TemplateRun:
    base = TemplateRun(
        tenant_id=template.tenant_id,
        run_id=new_id("trn"),
        template_id=template.template_id,
        template_name=template.name,
        template_version=template.version,
        template_sha256=template.template_sha256,
        state=TemplateRunState.QUEUED,
        created_at=NOW,
        created_by="prn_1",
        variables={"topic": "Wärme", "figures": [1, 0.5, {"z": None, "a": True}]},
        locale="de-AT",
        grounding=GroundingMode.PREFERRED,
        als=AlsBlock("k1", "v2", "Graz, e\u0301té \U0001f600", "ab" * 32),
        provoker_value="Search first.",
    )
    return replace(base, **changes)


async def add(units: TemplateUnits, *templates: Template) -> list[bool]:
    found = []
    for template in templates:
        async with units.of_tenant(template.tenant_id) as unit:
            found.append(await unit.templates.add(template.tenant_id, template))
            await unit.commit()
    return found


async def test_what_was_written_is_read_to_the_letter(units: TemplateUnits, tenant_id: str) -> None:
    template = sealed(tenant_id, content())
    assert await add(units, template) == [True]
    async with units.of_tenant(tenant_id) as unit:
        assert await unit.templates.get(tenant_id, template.template_id) == template
        assert await unit.templates.of_hash(tenant_id, template.template_sha256) == template
        found = await unit.templates.of_version(tenant_id, "advice", "1")
        assert await unit.templates.get(tenant_id, "tpl_x") is None
    assert found == template
    assert found is not None
    assert SEALS.seal("k1", found.sealed_bytes()) == template.record_hmac
    assert found.content == content(output_schema={"type": "object", "properties": {"n": _maximum(0.123457)}})
    assert found.content.template_sha256 == template.template_sha256


def _maximum(value: float) -> dict[str, Any]:
    return {"type": "number", "maximum": value}


async def test_a_hash_and_a_version_are_there_once(units: TemplateUnits, tenant_id: str) -> None:
    first, again = sealed(tenant_id, content()), sealed(tenant_id, content())
    other = sealed(tenant_id, content(temperature_milli=1))
    assert await add(units, first, again, other) == [True, False, False]
    assert await add(units, sealed(new_id("ten"), content())) == [True]
    async with units.of_tenant(tenant_id) as unit:
        assert [t.template_id for t in await unit.templates.listed(tenant_id, "", 10, None) if t.tenant_id == tenant_id]
        assert await unit.templates.of_hash(tenant_id, other.template_sha256) is None


async def test_what_is_not_committed_is_not_there(units: TemplateUnits, tenant_id: str) -> None:
    template = sealed(tenant_id, content())
    async with units.of_tenant(tenant_id) as unit:
        assert await unit.templates.add(tenant_id, template)
    async with units.of_tenant(tenant_id) as unit:
        assert await unit.templates.get(tenant_id, template.template_id) is None


async def test_numbers_and_json_are_hashed_alike(units: TemplateUnits, tenant_id: str) -> None:
    """The golden outputs through a schema's constant and a run's variables, in and out of the database."""
    template = sealed(tenant_id, content())
    await add(units, template)
    for entry in orjson.loads((GOLDEN / "outputs.json").read_bytes())["alike"]:
        hashes = set()
        for written in entry["outputs"]:
            run = run_of(template, variables={"topic": "t", "figures": orjson.loads(written)})
            async with units.of_tenant(tenant_id) as unit:
                await unit.runs.add(tenant_id, run)
                kept = await unit.runs.get(tenant_id, run.run_id)
                assert kept is not None
                hashes.add(sha256_hex(canonical_json(kept.variables["figures"])))
        assert hashes == {entry["sha256"]}, entry["name"]
        assert sha256_hex(canonical_json_of_text(entry["outputs"][0])) == entry["sha256"]


async def test_templates_are_listed_by_name_and_newest_first(units: TemplateUnits, tenant_id: str) -> None:
    made = [
        sealed(tenant_id, content(name=name, version=version), NOW + timedelta(seconds=seconds))
        for name, version, seconds in (("b", "1", 0), ("a", "1", 5), ("a", "2", 5), ("a", "3", 1))
    ]
    await add(units, *made)
    newest = sorted(made[1:3], key=lambda template: template.template_id, reverse=True)
    expected = [t.template_id for t in (*newest, made[3], made[0])]
    async with units.of_tenant(tenant_id) as unit:
        own = [t for t in await unit.templates.listed(tenant_id, "", 500, None) if t.tenant_id == tenant_id]
        assert [t.template_id for t in own] == expected
        seen: list[str] = []
        after = None
        while page := await unit.templates.listed(tenant_id, "a", 1, after):
            seen += [t.template_id for t in page]
            after = (page[-1].name, page[-1].created_at, page[-1].template_id)
    assert seen == expected[:3]


async def test_a_tenant_sees_its_own_and_the_systems_templates(units: TemplateUnits, tenant_id: str) -> None:
    stranger, name = new_id("ten"), f"lace.test-{new_id('x')}"
    own, others = sealed(tenant_id, content()), sealed(stranger, content(name="theirs"))
    everyones = sealed(SYSTEM_TENANT, content(name=name))
    await add(units, own, others, everyones)
    async with units.of_tenant(tenant_id) as unit:
        assert await unit.templates.get(tenant_id, others.template_id) is None
        assert await unit.templates.of_hash(tenant_id, others.template_sha256) is None
        assert await unit.templates.get(tenant_id, everyones.template_id) == everyones
        assert await unit.templates.of_version(tenant_id, name, "1") == everyones
        listed = {t.template_id for t in await unit.templates.listed(tenant_id, "", 500, None)}
    assert {own.template_id, everyones.template_id} <= listed
    assert others.template_id not in listed


async def test_a_run_is_begun_once_and_ends_once(units: TemplateUnits, tenant_id: str) -> None:
    template = sealed(tenant_id, content())
    await add(units, template)
    run = run_of(template)
    async with units.of_tenant(tenant_id) as unit:
        await unit.runs.add(tenant_id, run)
        await unit.commit()
    async with units.of_tenant(tenant_id) as unit:
        assert await unit.runs.get(tenant_id, run.run_id) == run
        assert [await unit.runs.begin(tenant_id, run.run_id) for _ in range(2)] == [True, False]
        await unit.commit()
    ended = replace(
        run,
        state=TemplateRunState.SUCCEEDED,
        ended_at=NOW + timedelta(microseconds=7),
        provenance=Provenance(
            "openai", "gpt-4o", "gpt-4o", "gpt-4o-2024-08-06", "fp_1", "responses", "cd" * 32, 2**40, 3, 4, "cal_1",
            step2_tools_invoked=False, step2_source_ref="ef" * 32,
        ),
        answered=Answered('{"n":1}', sha256_hex(b'{"n":1}'), True, True, "", "", ""),
    )  # fmt: skip
    async with units.of_tenant(tenant_id) as unit:
        assert await unit.runs.settle(tenant_id, ended)
        assert not await unit.runs.settle(tenant_id, replace(ended, state=TemplateRunState.CANCELLED))
        assert not await unit.runs.begin(tenant_id, run.run_id)
        await unit.commit()
    async with units.of_tenant(tenant_id) as unit:
        assert await unit.runs.get(tenant_id, run.run_id) == ended


async def test_runs_are_filtered_and_paged(units: TemplateUnits, tenant_id: str) -> None:
    template = sealed(tenant_id, content())
    await add(units, template)
    made = [run_of(template, created_at=NOW + timedelta(seconds=n), locale="de" if n % 2 else "en") for n in range(6)]
    made[4] = replace(
        made[4],
        state=TemplateRunState.SUCCEEDED,
        ended_at=NOW,
        batch_id="bat_1",
        batch_run_index=1,
        provenance=Provenance(answered_model="m-1"),
        answered=Answered("x", sha256_hex(b"x"), None, True),
    )
    made[5] = replace(made[5], batch_id="bat_1", batch_run_index=0)
    async with units.of_tenant(tenant_id) as unit:
        for run in made:
            await unit.runs.add(tenant_id, run)
        await unit.commit()

    async def listed(wanted: RunFilter, limit: int = 50, after: Any = None) -> list[int]:
        async with units.of_tenant(tenant_id) as unit:
            found = await unit.runs.listed(tenant_id, template.template_id, wanted, limit, after)
        return [made.index(run) for run in found]

    assert await listed(RunFilter()) == [5, 4, 3, 2, 1, 0]
    assert await listed(RunFilter(), 2, (made[4].created_at, made[4].run_id)) == [3, 2]
    assert await listed(RunFilter(locale="de")) == [5, 3, 1]
    assert await listed(RunFilter(state=TemplateRunState.SUCCEEDED)) == [4]
    assert await listed(RunFilter(grounded=False, batch_id="bat_1")) == [5]
    assert await listed(RunFilter(grounded=True)) == [4]
    assert await listed(RunFilter(response_output_sha256=sha256_hex(b"x"))) == [4]
    assert await listed(RunFilter(answered_model="m-1")) == [4]
    since, until = NOW + timedelta(seconds=2), (NOW + timedelta(seconds=4)).astimezone(UTC)
    assert await listed(RunFilter(since=since, until=until)) == [3, 2]
    async with units.of_tenant(tenant_id) as unit:
        assert [made.index(run) for run in await unit.runs.of_batch(tenant_id, "bat_1")] == [5, 4]
        with pytest.raises(DBAPIError):  # one run for each index of a batch
            await unit.runs.add(tenant_id, run_of(template, batch_id="bat_1", batch_run_index=1))


async def test_another_tenant_sees_no_runs(units: TemplateUnits, tenant_id: str) -> None:
    template = sealed(tenant_id, content())
    await add(units, template)
    run, stranger = run_of(template), new_id("ten")
    async with units.of_tenant(tenant_id) as unit:
        await unit.runs.add(tenant_id, run)
        await unit.commit()
    async with units.of_tenant(stranger) as unit:
        assert await unit.runs.get(stranger, run.run_id) is None
        assert await unit.runs.listed(stranger, template.template_id, RunFilter(), 10, None) == []
        assert not await unit.runs.begin(stranger, run.run_id)
        assert not await unit.runs.settle(stranger, replace(run, state=TemplateRunState.SUCCEEDED, ended_at=NOW))


@pytest.fixture
def under_key(tenant_id: str) -> Callable[..., Any]:
    def call(key: str | None, principal: str = "prn_1") -> Any:
        nothing: frozenset[str] = frozenset()
        identity = Identity(principal, tenant_id, nothing, nothing, nothing, "user", "", "tok_1", NOW, NOW, 0)
        return acting_as(CallContext(identity, "req_1", "req_1", idempotency_key=key))

    return call


class Effect:
    """What is to happen once."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> bytes:
        self.times += 1
        return b"answer %d" % self.times


async def _once(units: TemplateUnits, tenant_id: str, request: bytes, effect: Effect) -> tuple[bytes, bool]:
    async with units.of_tenant(tenant_id) as unit:
        found = await unit.idempotency.once(tenant_id, "/route", request, effect)
        await unit.commit()
        return found


async def test_a_key_has_one_effect_and_one_answer(
    units: TemplateUnits, tenant_id: str, under_key: Callable[..., Any]
) -> None:
    effect = Effect()
    with under_key("k"):
        assert await _once(units, tenant_id, b'{"a":1}', effect) == (b"answer 1", False)
        assert await _once(units, tenant_id, b'{"a":1}', effect) == (b"answer 1", True)
    with under_key("other"):
        assert await _once(units, tenant_id, b'{"a":1}', effect) == (b"answer 2", False)


async def test_another_request_under_a_key_is_told_the_difference(
    units: TemplateUnits, tenant_id: str, under_key: Callable[..., Any]
) -> None:
    with under_key("k"):
        await _once(units, tenant_id, b'{"a":1,"b":[1,2]}', Effect())
        with pytest.raises(LaceError) as caught:
            await _once(units, tenant_id, b'{"a":2,"b":[1]}', Effect())
    assert caught.value.reason is Reason.IDEMPOTENCY_KEY_REUSED
    operations = sorted((orjson.loads(d.description) for d in caught.value.details), key=lambda o: str(o["path"]))
    assert operations == [{"op": "replace", "path": "/a", "value": 2}, {"op": "remove", "path": "/b/1"}]
    with under_key("k", "prn_2"), pytest.raises(LaceError) as caught:
        await _once(units, tenant_id, b'{"a":1,"b":[1,2]}', Effect())
    assert caught.value.reason is Reason.IDEMPOTENCY_KEY_REUSED
    with under_key(None), pytest.raises(LaceError) as caught:
        await _once(units, tenant_id, b"{}", Effect())
    assert caught.value.reason is Reason.IDEMPOTENCY_KEY_REQUIRED


async def test_a_key_is_forgotten_after_a_day(
    units: TemplateUnits, tenant_id: str, under_key: Callable[..., Any], clock: StandingClock
) -> None:
    effect = Effect()
    with under_key("k"):
        await _once(units, tenant_id, b"{}", effect)
        clock.now = NOW + timedelta(hours=24, seconds=1)
        assert await _once(units, tenant_id, b'{"other":1}', effect) == (b"answer 2", False)
        assert await _once(units, tenant_id, b'{"other":1}', effect) == (b"answer 2", True)


async def test_a_failed_effect_leaves_no_trace(
    units: TemplateUnits, tenant_id: str, under_key: Callable[..., Any]
) -> None:
    async def fails() -> bytes:
        raise LaceError(Reason.PROVIDER_UNAVAILABLE, "Away.", retryable=True)

    effect = Effect()
    with under_key("k"):
        with pytest.raises(LaceError):
            async with units.of_tenant(tenant_id) as unit:
                await unit.idempotency.once(tenant_id, "/route", b"{}", fails)
        assert await _once(units, tenant_id, b'{"b":1}', effect) == (b"answer 1", False)


async def test_many_at_once_have_one_effect(
    units: TemplateUnits, tenant_id: str, under_key: Callable[..., Any]
) -> None:
    effect = Effect()

    async def ask() -> bytes | Reason:
        try:
            return (await _once(units, tenant_id, b"{}", effect))[0]
        except LaceError as error:
            return error.reason

    with under_key("k"):
        answers = await asyncio.gather(*(ask() for _ in range(50)))
    assert effect.times == 1
    assert set(answers) <= {b"answer 1", Reason.IDEMPOTENCY_IN_PROGRESS}
    assert b"answer 1" in answers


@pytest.fixture
def statement(units: TemplateUnits) -> Callable[..., Any]:
    """Runs SQL as whoever the service is to the database, in a tenant."""

    async def execute(tenant_id: str, sql: str) -> None:
        async with units.of_tenant(tenant_id) as unit:
            if isinstance(units, SqliteTemplateUnits):
                unit._connection.exec_driver_sql(sql)  # type: ignore[attr-defined]
            else:
                await unit._tx.execute(sql)  # type: ignore[attr-defined]
            await unit.commit()

    return execute


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE templates SET content = '{}'",
        "UPDATE templates SET created_by = created_by",
        "DELETE FROM templates",
    ],
)
async def test_nobody_changes_or_removes_a_template(
    units: TemplateUnits, tenant_id: str, statement: Callable[..., Any], sql: str
) -> None:
    template = sealed(tenant_id, content())
    await add(units, template)
    with pytest.raises(DBAPIError, match=r"permission denied|written once"):
        await statement(tenant_id, sql)
    async with units.of_tenant(tenant_id) as unit:
        assert await unit.templates.get(tenant_id, template.template_id) == template


@pytest.fixture
def owner(postgres: Any) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres.admin_dsn, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("sql", ["UPDATE {} SET content = '{{}}'", "DELETE FROM {}", "TRUNCATE {}"])
async def test_not_even_the_owner_of_the_table(
    owner: psycopg.Connection[Any], sql: str, database: Callable[[str], Database], tenant_id: str
) -> None:
    await add(
        PostgresTemplateUnits(database("llm_gateway"), StandingClock(), run_recorded_payload),
        sealed(tenant_id, content()),
    )
    with pytest.raises(psycopg.errors.RestrictViolation, match="written once"):
        owner.execute(sql.format("llm_gateway.templates").encode())


async def test_row_level_security_holds_without_the_tenant_in_the_statement(
    database: Callable[[str], Database], tenant_id: str
) -> None:
    service = database("llm_gateway")
    units = PostgresTemplateUnits(service, StandingClock(), run_recorded_payload)
    template, stranger = sealed(tenant_id, content()), new_id("ten")
    await add(units, template)
    async with units.of_tenant(tenant_id) as unit:
        await unit.runs.add(tenant_id, run_of(template))
        await unit.commit()
    for table in ("templates", "template_runs"):
        async with service.transaction(stranger) as tx:
            rows = await tx.fetch_all(f"SELECT tenant_id FROM {table}")
            assert {row.tenant_id for row in rows} <= {SYSTEM_TENANT}
        async with service.transaction(tenant_id) as tx:
            assert tenant_id in {row.tenant_id for row in await tx.fetch_all(f"SELECT tenant_id FROM {table}")}
    for owner in (tenant_id, SYSTEM_TENANT):  # what is the system's, everyone reads and no tenant makes
        async with units.of_tenant(stranger) as unit:
            with pytest.raises(DBAPIError, match="row-level security"):
                await unit.templates.add(owner, sealed(owner, content(version="2")))
    async with service.transaction(stranger) as tx:
        changed = await tx.execute("UPDATE template_runs SET output = 'theirs'")
        assert changed.rowcount == 0
