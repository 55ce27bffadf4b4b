"""Use case: keep a template for good, once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import orjson

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.templates.ports import TemplateUnit
from lace_llm_gateway.app.templates.sealed import Templates
from lace_llm_gateway.domain.als import check_variants
from lace_llm_gateway.domain.stored_templates import Template, TemplateContent
from lace_llm_gateway.domain.template_rules import check_content


@dataclass(frozen=True)
class Kept:
    """The template, and whether it is there since this request."""

    template: Template
    created: bool


async def create_template(
    templates: Templates, tenant_id: str, principal_id: str, content: TemplateContent, request: tuple[str, bytes]
) -> Kept:
    """The template of that content; `request` is the route and the canonical JSON of what was asked.

    Raises LaceError TEMPLATE_INVALID, SCHEMA_INVALID, SCHEMA_CYCLE, ALS_OVER_LIMIT, IDEMPOTENCY_*, and
    TEMPLATE_CONFLICT with the RFC 6902 difference where name and version stand for another content.
    """
    check_content(content)
    check_variants(content.als_variants, templates.als_limit)
    if content.seed_key_id:
        templates.seed_keys.key(content.seed_key_id)
    async with templates.units.of_tenant(tenant_id) as unit:

        async def effect() -> bytes:
            kept = await _keep(templates, unit, tenant_id, principal_id, content)
            return orjson.dumps({"template_id": kept.template.template_id, "created": kept.created})

        answer, replayed = await unit.idempotency.once(tenant_id, *request, effect)
        told = orjson.loads(answer)
        template = await templates.read(unit, tenant_id, told["template_id"])
        await unit.commit()
    return Kept(template, created=told["created"] and not replayed)


async def _keep(
    templates: Templates, unit: TemplateUnit, tenant_id: str, principal_id: str, content: TemplateContent
) -> Kept:
    there = await unit.templates.of_version(tenant_id, content.name, content.version)
    if there is not None:
        return Kept(_same(templates, templates.checked(there), content), created=False)
    template = templates.sealed(tenant_id, _with_key(templates, content), principal_id)
    if await unit.templates.add(tenant_id, template):
        return Kept(template, created=True)
    there = await unit.templates.of_version(tenant_id, content.name, content.version)  # written just now by another
    if there is None:
        raise LaceError(Reason.SERVICE_UNAVAILABLE, "The template could not be kept; try again.", retryable=True)
    return Kept(_same(templates, templates.checked(there), content), created=False)


def _with_key(templates: Templates, content: TemplateContent) -> TemplateContent:
    """New templates are written under the newest key; those that exist stay under theirs."""
    if not content.als_template_id or content.seed_key_id:
        return content
    return replace(content, seed_key_id=templates.seed_keys.newest)


def _same(templates: Templates, there: Template, content: TemplateContent) -> Template:
    if content.als_template_id and not content.seed_key_id:
        content = replace(content, seed_key_id=there.content.seed_key_id)
    if content.template_sha256 == there.template_sha256:
        return there
    raise LaceError(
        Reason.TEMPLATE_CONFLICT,
        f"{content.name} {content.version} stands for another content; the details say how they differ.",
        details=templates.differences(there.content_json.encode(), content.canonical()),
    )
