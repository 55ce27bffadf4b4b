"""All that an installation holds of one tenant, in a form that two runs of the same thing can be compared by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psycopg

SCHEMAS = ("runs", "ingest", "llm_gateway", "compiler", "provenance")

# What a step that is repeated leaves behind is not the same, and is checked by rules of its own (rules.py); into how
# many messages the logs of a run are put depends on time, and so does what a process holds of a budget, which
# tests/integration/lace_llm_gateway/test_budget_stores.py kills for.
REPEATED = frozenset(
    {
        "runs.step_runs",
        "runs.event_groups",
        "runs.run_events",
        "runs.outbox_events",
        "llm_gateway.llm_calls",
        "llm_gateway.budget_counters",
        "llm_gateway.budget_leases",
        "provenance.job_executions",
        "provenance.segments",
        "provenance.mentions",
    }
)
# How often a run was taken over, how much was said about it, and which attempt a log is of.
_OF_TAKEOVERS: Mapping[str, frozenset[str]] = {
    "runs.runs": frozenset({"epoch", "next_sequence"}),
    "provenance.transformation_logs": frozenset({"id"}),
}

Column = Counter[str]


@dataclass(frozen=True)
class Facts:
    """The values of each column of each table, with their number, and the names of the blobs by bucket."""

    columns: Mapping[tuple[str, str], Column]
    rows: Mapping[str, int]
    blobs: Mapping[str, frozenset[str]]


async def facts_of(connection: psycopg.AsyncConnection[Any], tenant_id: str, blobs: Path) -> Facts:
    """Everything of the tenant, but what REPEATED names."""
    columns: dict[tuple[str, str], Column] = {}
    rows: dict[str, int] = {}
    for table, names in (await _tables(connection, "BASE TABLE", "VIEW")).items():
        if table in REPEATED:
            continue
        shown = [name for name in names if name not in _OF_TAKEOVERS.get(table, ())]
        select = ", ".join(f'"{name}"::text' for name in shown)
        query = f"SELECT {select} FROM {table} WHERE tenant_id = %s"
        found = await (await connection.execute(cast(Any, query), [tenant_id])).fetchall()
        rows[table] = len(found)
        for place, name in enumerate(shown):
            columns[table, name] = Counter(str(row[place]) for row in found)
    return Facts(columns, rows, _blobs(blobs, tenant_id))


def constant(undisturbed: Iterable[Facts]) -> Facts:
    """What is the same in every undisturbed run: the rest (times, random ids) can say nothing about a disturbed one."""
    first, *others = undisturbed
    columns = {
        key: values for key, values in first.columns.items() if all(other.columns[key] == values for other in others)
    }
    rows = {table: count for table, count in first.rows.items() if all(other.rows[table] == count for other in others)}
    blobs = {
        bucket: names
        for bucket, names in first.blobs.items()
        if all(other.blobs.get(bucket) == names for other in others)
    }
    return Facts(columns, rows, blobs)


def differences(expected: Facts, found: Facts) -> list[str]:
    """What is not as it is to be, a line for each table's count, each column and each bucket."""
    lines = [
        f"{table}: {found.rows[table]} rows in place of {count}"
        for table, count in expected.rows.items()
        if found.rows[table] != count
    ]
    for (table, name), values in expected.columns.items():
        actual = found.columns[table, name]
        if actual != values and found.rows[table] == sum(values.values()):
            lines.append(f"{table}.{name}: {_shown(actual - values)} in place of {_shown(values - actual)}")
    for bucket, names in expected.blobs.items():
        actual_names = found.blobs.get(bucket, frozenset())
        if missing := names - actual_names:
            lines.append(f"blobs: {bucket} lacks {sorted(missing)}")
        if more := actual_names - names:
            lines.append(f"blobs: {bucket} has {sorted(more)} beside")
    return lines


async def wipe(connection: psycopg.AsyncConnection[Any], tenant_id: str, blobs: Path) -> None:
    """Take away all that the tenant has, but itself: the next run then makes the same ids from the same keys."""
    async with connection.transaction():
        # Triggers and foreign keys guard what services may do; this is the test's own broom.
        await connection.execute("SET LOCAL session_replication_role = replica")
        for table in await _tables(connection, "BASE TABLE"):
            await connection.execute(cast(Any, f"DELETE FROM {table} WHERE tenant_id = %s"), [tenant_id])
        await connection.execute("DELETE FROM bus.messages WHERE tenant_id = %s", [tenant_id])
    for path in sorted(_files(blobs, tenant_id), reverse=True):
        path.unlink()


async def _tables(connection: psycopg.AsyncConnection[Any], *kinds: str) -> dict[str, list[str]]:
    query = """
        SELECT c.table_schema || '.' || c.table_name, array_agg(c.column_name::text ORDER BY c.ordinal_position)
        FROM information_schema.columns AS c JOIN information_schema.tables AS t USING (table_schema, table_name)
        WHERE c.table_schema = ANY(%s) AND t.table_type = ANY(%s)
        GROUP BY 1 HAVING bool_or(c.column_name = 'tenant_id')
    """
    return {row[0]: row[1] for row in await (await connection.execute(query, [list(SCHEMAS), list(kinds)])).fetchall()}


def _files(blobs: Path, tenant_id: str) -> list[Path]:
    return [path for path in blobs.glob(f"*/{tenant_id}/**/*") if path.is_file()]


def _blobs(blobs: Path, tenant_id: str) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for path in _files(blobs, tenant_id):
        name = path.relative_to(blobs)
        found.setdefault(name.parts[0], set()).add(str(name))
    return {bucket: frozenset(names) for bucket, names in found.items()}


def _shown(values: Column) -> str:
    return ", ".join(f"{value[:160]!r} ×{count}" for value, count in sorted(values.items())[:3]) or "nothing"
