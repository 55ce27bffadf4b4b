"""Use cases: one template, a page of templates, one run, a page of runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.templates.cell import given_up, overdue
from lace_llm_gateway.app.templates.ports import RunPlace, TemplatePlace
from lace_llm_gateway.app.templates.sealed import Templates
from lace_llm_gateway.domain.stored_templates import RunFilter, Template, TemplateRun

_PAGE_BYTES = 8 << 20  # a quarter of what a message may have
_AT_ONCE = 25
Entry = TypeVar("Entry")
Place = TypeVar("Place")


@dataclass(frozen=True)
class TemplatePage:
    """Templates by name, newest first; `after` is where the next page begins, None at the end."""

    templates: tuple[Template, ...]
    after: TemplatePlace | None


@dataclass(frozen=True)
class RunPage:
    """Runs, newest first; `after` is where the next page begins, None at the end."""

    runs: tuple[TemplateRun, ...]
    after: RunPlace | None


async def get_template(templates: Templates, tenant_id: str, template_id: str) -> Template:
    """Raises LaceError TEMPLATE_NOT_FOUND, TEMPLATE_CORRUPT."""
    async with templates.units.of_tenant(tenant_id) as unit:
        return await templates.read(unit, tenant_id, template_id)


async def list_templates(
    templates: Templates, tenant_id: str, name: str, limit: int, after: TemplatePlace | None
) -> TemplatePage:
    """The page; raises LaceError TEMPLATE_CORRUPT where one of them was changed."""

    def place(template: Template) -> TemplatePlace:
        return template.name, template.created_at, template.template_id

    async with templates.units.of_tenant(tenant_id) as unit:
        shown, following = await _filled(
            lambda most, behind: unit.templates.listed(tenant_id, name, most, behind),
            place,
            lambda template: len(templates.checked(template).content_json),
            limit,
            after,
        )
    return TemplatePage(shown, following)


async def get_template_run(templates: Templates, tenant_id: str, template_id: str, run_id: str) -> TemplateRun:
    """Raises LaceError TEMPLATE_RUN_NOT_FOUND."""
    async with templates.units.of_tenant(tenant_id) as unit:
        run = await unit.runs.get(tenant_id, run_id)
    if run is None or run.template_id != template_id:
        raise LaceError(Reason.TEMPLATE_RUN_NOT_FOUND, f"{template_id} has no run {run_id}.")
    return await given_up(templates, run) if overdue(run, templates) else run


async def list_template_runs(
    templates: Templates, tenant_id: str, template_id: str, wanted: RunFilter, limit: int, after: RunPlace | None
) -> RunPage:
    """The page; raises LaceError TEMPLATE_NOT_FOUND, TEMPLATE_CORRUPT."""
    async with templates.units.of_tenant(tenant_id) as unit:
        await templates.read(unit, tenant_id, template_id)
        shown, following = await _filled(
            lambda most, behind: unit.runs.listed(tenant_id, template_id, wanted, most, behind),
            lambda run: (run.created_at, run.run_id),
            lambda run: len(run.answered.output),
            limit,
            after,
        )
    told = [await given_up(templates, run) if overdue(run, templates) else run for run in shown]
    return RunPage(tuple(told), following)


async def _filled(
    listed: Callable[[int, Place | None], Awaitable[Sequence[Entry]]],
    place: Callable[[Entry], Place],
    size: Callable[[Entry], int],
    limit: int,
    after: Place | None,
) -> tuple[tuple[Entry, ...], Place | None]:
    """A page, and where the next begins: `limit` entries, fewer where they are large, none lost, one at least."""
    shown: list[Entry] = []
    room = _PAGE_BYTES
    while True:
        most = min(limit - len(shown), _AT_ONCE)
        found = await listed(most + 1, after)  # few at once: what is large is not read to be thrown away
        for entry in found[:most]:
            room -= size(entry)
            if shown and room < 0:
                return tuple(shown), after
            shown.append(entry)
            after = place(entry)
        if len(found) <= most:
            return tuple(shown), None
        if len(shown) == limit:
            return tuple(shown), after
