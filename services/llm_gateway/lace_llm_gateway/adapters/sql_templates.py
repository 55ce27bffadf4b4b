"""Templates, their runs and answered requests in SQL that Postgres and SQLite both speak: one text, two engines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Protocol

import orjson
from sqlalchemy import Executable, Row, Select, Table, and_, case, insert, or_, select, update

from lace_core.canonical import canonical_json, sha256_hex
from lace_llm_gateway.adapters.tables import INFRASTRUCTURE
from lace_llm_gateway.adapters.template_tables import TEMPLATE_RUNS, TEMPLATES
from lace_llm_gateway.app.templates.ports import RunPlace, TemplatePlace
from lace_llm_gateway.domain.stored_templates import (
    SYSTEM_TENANT,
    AlsBlock,
    Answered,
    GroundingMode,
    Provenance,
    RunFilter,
    Template,
    TemplateRun,
    TemplateRunState,
)
from lace_platform.idempotency import KEPT, LARGEST_REQUEST_KEPT, checked_key, in_progress, refuse_another
from lace_platform.rpc import current_call

_T, _R, _K = TEMPLATES.c, TEMPLATE_RUNS.c, INFRASTRUCTURE.idempotency_keys.c
_OPEN = (TemplateRunState.QUEUED.value, TemplateRunState.RUNNING.value)
_COLUMNS = {each.name: "content" if each.name == "content_json" else each.name for each in fields(Template)}
_PARTS: Mapping[str, type] = {"als": AlsBlock, "provenance": Provenance, "answered": Answered}
_PLAIN = tuple(each.name for each in fields(TemplateRun) if each.name not in _PARTS)


class Rows(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""

    def first(self) -> Row[Any] | None:
        """The first row."""

    def all(self) -> Sequence[Row[Any]]:
        """All rows."""


class Session(Protocol):
    """An open transaction of either engine."""

    async def execute(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Rows:
        """Run a statement."""

    async def add_new(self, table: Table, row: Mapping[str, Any]) -> bool:
        """Insert the row; False where one of the table's unique keys is taken."""

    async def try_lock(self, name: str) -> bool:
        """Hold the name until the end of the transaction; False where another transaction holds it."""


class SqlTemplateRepository:
    """Rows of templates."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, tenant_id: str, template: Template) -> bool:
        """One row, once."""
        row = {column: getattr(template, name) for name, column in _COLUMNS.items()}
        return await self._session.add_new(TEMPLATES, {**row, "tenant_id": tenant_id})

    async def get(self, tenant_id: str, template_id: str) -> Template | None:
        """By its id."""
        return await self._one(_readable(tenant_id).where(_T.template_id == template_id))

    async def of_hash(self, tenant_id: str, template_sha256: str) -> Template | None:
        """By its hash."""
        return await self._one(_readable(tenant_id).where(_T.template_sha256 == template_sha256))

    async def of_version(self, tenant_id: str, name: str, version: str) -> Template | None:
        """By name and version."""
        return await self._one(_readable(tenant_id).where(_T.name == name, _T.version == version))

    async def listed(self, tenant_id: str, name: str, limit: int, after: TemplatePlace | None) -> Sequence[Template]:
        """By name, newest first."""
        wanted = select(TEMPLATES).where(_T.tenant_id.in_([tenant_id, SYSTEM_TENANT]))
        if name:
            wanted = wanted.where(_T.name == name)
        if after is not None:
            last, at, template_id = after
            older = or_(_T.created_at < at, and_(_T.created_at == at, _T.template_id < template_id))
            wanted = wanted.where(or_(_T.name > last, and_(_T.name == last, older)))
        wanted = wanted.order_by(_T.name, _T.created_at.desc(), _T.template_id.desc()).limit(limit)
        return [_template(row) for row in (await self._session.execute(wanted)).all()]

    async def _one(self, wanted: Select[Any]) -> Template | None:
        row = (await self._session.execute(wanted)).first()
        return _template(row) if row else None


def _readable(tenant_id: str) -> Select[Any]:
    """The tenant's own rows before the system's."""
    wanted = select(TEMPLATES).where(_T.tenant_id.in_([tenant_id, SYSTEM_TENANT]))
    return wanted.order_by(case((_T.tenant_id == tenant_id, 0), else_=1)).limit(1)


def _template(row: Row[Any]) -> Template:
    return Template(**{name: getattr(row, column) for name, column in _COLUMNS.items()})


class SqlTemplateRunRepository:
    """Rows of template_runs."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, tenant_id: str, run: TemplateRun) -> None:
        """One row."""
        await self._session.execute(insert(TEMPLATE_RUNS), {**_run_row(run), "tenant_id": tenant_id})

    async def get(self, tenant_id: str, run_id: str) -> TemplateRun | None:
        """By its id."""
        wanted = select(TEMPLATE_RUNS).where(_R.tenant_id == tenant_id, _R.run_id == run_id)
        row = (await self._session.execute(wanted)).first()
        return run_of_row(row) if row else None

    async def begin(self, tenant_id: str, run_id: str) -> bool:
        """From queued to running, by one."""
        queued = and_(_R.tenant_id == tenant_id, _R.run_id == run_id, _R.state == TemplateRunState.QUEUED.value)
        begun = update(TEMPLATE_RUNS).where(queued).values(state=TemplateRunState.RUNNING.value)
        return (await self._session.execute(begun)).rowcount == 1

    async def settle(self, tenant_id: str, run: TemplateRun) -> bool:
        """The outcome, once."""
        still_open = and_(_R.tenant_id == tenant_id, _R.run_id == run.run_id, _R.state.in_(_OPEN))
        row = {name: value for name, value in _run_row(run).items() if name not in ("tenant_id", "run_id")}
        return (await self._session.execute(update(TEMPLATE_RUNS).where(still_open).values(row))).rowcount == 1

    async def listed(
        self, tenant_id: str, template_id: str, wanted: RunFilter, limit: int, after: RunPlace | None
    ) -> Sequence[TemplateRun]:
        """Newest first."""
        found = select(TEMPLATE_RUNS).where(_R.tenant_id == tenant_id, _R.template_id == template_id)
        for name in ("locale", "batch_id", "response_output_sha256", "answered_model"):
            if value := getattr(wanted, name):
                found = found.where(_R[name] == value)
        if wanted.state is not None:
            found = found.where(_R.state == wanted.state.value)
        if wanted.grounded is not None:
            found = found.where(_R.grounded == wanted.grounded)
        if wanted.since is not None:
            found = found.where(_R.created_at >= wanted.since)
        if wanted.until is not None:
            found = found.where(_R.created_at < wanted.until)
        if after is not None:
            at, run_id = after
            found = found.where(or_(_R.created_at < at, and_(_R.created_at == at, _R.run_id < run_id)))
        found = found.order_by(_R.created_at.desc(), _R.run_id.desc()).limit(limit)
        return [run_of_row(row) for row in (await self._session.execute(found)).all()]

    async def of_batch(self, tenant_id: str, batch_id: str) -> Sequence[TemplateRun]:
        """By index."""
        found = select(TEMPLATE_RUNS).where(_R.tenant_id == tenant_id, _R.batch_id == batch_id)
        rows = (await self._session.execute(found.order_by(_R.batch_run_index))).all()
        return [run_of_row(row) for row in rows]


def _run_row(run: TemplateRun) -> dict[str, Any]:
    row = {name: getattr(run, name) for name in _PLAIN}
    for part in _PARTS:
        row.update(vars(getattr(run, part)))
    row["state"], row["grounding"] = run.state.value, run.grounding.value
    row["variables"] = canonical_json(dict(run.variables)).decode()
    # What a provider says of itself may hold the character 0, which Postgres refuses: a paid answer is not lost to it.
    return {name: value.replace("\0", "\ufffd") if isinstance(value, str) else value for name, value in row.items()}


def run_of_row(row: Row[Any]) -> TemplateRun:
    """A run out of its row."""
    values = {name: getattr(row, name) for name in _PLAIN}
    for part, kind in _PARTS.items():
        values[part] = kind(**{each.name: getattr(row, each.name) for each in fields(kind)})
    values["state"], values["grounding"] = TemplateRunState(row.state), GroundingMode(row.grounding)
    values["variables"] = orjson.loads(row.variables)
    return TemplateRun(**values)


class SqlIdempotencyRepository:
    """Rows of idempotency_keys, to the rules of lace_platform.idempotency.once."""

    def __init__(self, session: Session, now: Callable[[], datetime]) -> None:
        self._session = session
        self._now = now

    async def once(
        self, tenant_id: str, route: str, request: bytes, effect: Callable[[], Awaitable[bytes]]
    ) -> tuple[bytes, bool]:
        """See app.templates.ports.IdempotencyRepository."""
        call, now = current_call(), self._now()
        scope = {"tenant_id": tenant_id, "route": route, "key": checked_key(call.idempotency_key)}
        table = INFRASTRUCTURE.idempotency_keys
        if not await self._session.try_lock("\x1f".join((table.fullname, *scope.values()))):
            raise in_progress()
        same_key = and_(*(table.c[name] == value for name, value in scope.items()))
        stored = (await self._session.execute(select(table).where(same_key, _K.expires_at > now))).first()
        if stored is not None:
            refuse_another(stored, call.principal_id, request)
            return bytes(stored.response), True
        response = await effect()
        record = {
            "principal_id": call.principal_id,
            "request_hash": sha256_hex(request),
            "request_json": request if len(request) <= LARGEST_REQUEST_KEPT else None,
            "response": response,
            "created_at": now,
            "expires_at": now + KEPT,
        }
        if not await self._session.add_new(table, {**scope, **record}):  # an expired row that was not yet deleted
            await self._session.execute(update(table).where(same_key).values(record))
        return response, False
