"""Use cases: one template, a page of templates, one run, a page of runs."""

from __future__ import annotations

from dataclasses import dataclass

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.templates.cell import given_up, overdue
from lace_llm_gateway.app.templates.ports import RunPlace, TemplatePlace
from lace_llm_gateway.app.templates.sealed import Templates
from lace_llm_gateway.domain.stored_templates import RunFilter, Template, TemplateRun


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
    async with templates.units.of_tenant(tenant_id) as unit:
        found = await unit.templates.listed(tenant_id, name, limit + 1, after)
    shown = tuple(templates.checked(template) for template in found[:limit])
    last = shown[-1] if len(found) > limit else None
    return TemplatePage(shown, (last.name, last.created_at, last.template_id) if last else None)


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
        found = await unit.runs.listed(tenant_id, template_id, wanted, limit + 1, after)
    shown = tuple(found[:limit])
    return RunPage(shown, (shown[-1].created_at, shown[-1].run_id) if len(found) > limit else None)
