"""The prompt of a contract for a call: the one that its run pinned, out of the store and behind its seal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from lace_core.contracts import CONTRACTS
from lace_core.errors import LaceError
from lace_core.prompt_pins import pins_of
from lace_llm_gateway.app.calls.orders import Order
from lace_llm_gateway.app.ports import Prompts
from lace_llm_gateway.app.templates.packaged_prompts import unknown_prompt
from lace_llm_gateway.app.templates.ports import TemplateUnits
from lace_llm_gateway.app.templates.sealed import Sealing
from lace_llm_gateway.domain.prompts import PromptTemplate, packaged, prompt_of, template_of
from lace_llm_gateway.domain.stored_templates import SYSTEM_PRINCIPAL, SYSTEM_TENANT, Template

SETTING = "llm.prompts"
_MOST_KNOWN = 1000

log = structlog.get_logger(__name__)


class StoredPrompts:
    """The prompts of the store; those of the package are put there first, as the system's templates.

    What was read once behind its seal is remembered: a template does not change.
    """

    def __init__(self, units: TemplateUnits, sealing: Sealing) -> None:
        self._units = units
        self._sealing = sealing
        self._known: dict[tuple[str, str, str], PromptTemplate] = {}

    async def of_contract(self, tenant_id: str, contract: str, pinned: str) -> PromptTemplate:
        """See app.ports.Prompts."""
        wanted = pinned or template_of(contract).template_hash
        known = self._known.get((SYSTEM_TENANT, contract, wanted)) or self._known.get((tenant_id, contract, wanted))
        if known is not None:
            return known
        template = await self._found(tenant_id, contract, wanted)
        prompt = prompt_of(contract, template.content, template.template_id)
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[template.tenant_id, contract, wanted] = prompt
        return prompt

    async def keep_packaged(self) -> None:
        """Puts the package's prompts into the store, so that runs that pin them find them under every later version.

        A store that is away is none of a start's business: each is put there with its first use, too.
        """
        try:
            await asyncio.gather(*(self.of_contract(SYSTEM_TENANT, contract, "") for contract in CONTRACTS))
        except LaceError as error:
            log.warning("prompts_not_kept", error_code=error.reason.value, error=error.message)

    async def _found(self, tenant_id: str, contract: str, wanted: str) -> Template:
        async with self._units.of_tenant(tenant_id) as unit:
            template = await unit.templates.of_hash(tenant_id, wanted)
        if template is None:
            template = await self._kept(contract, wanted)
        return self._sealing.checked(template)

    async def _kept(self, contract: str, wanted: str) -> Template:
        content = packaged(contract)
        if content.template_sha256 != wanted:
            raise unknown_prompt(contract, wanted)
        template = self._sealing.sealed(SYSTEM_TENANT, content, SYSTEM_PRINCIPAL)
        async with self._units.of_tenant(SYSTEM_TENANT) as unit:
            if not await unit.templates.add(SYSTEM_TENANT, template):  # another process was first
                template = await unit.templates.of_hash(SYSTEM_TENANT, wanted) or template
            await unit.commit()
        return template


async def with_prompt(prompts: Prompts, tenant_id: str, order: Order) -> Order:
    """The order with the prompt of its contract; raises LaceError as of_contract does."""
    if not order.contract or order.prompt is not None:
        return order
    prompt = await prompts.of_contract(tenant_id, order.contract, _pinned(order.settings or {}, order.contract))
    return replace(order, prompt=prompt, template_id=prompt.template_id, template_version=prompt.version)


def _pinned(settings: Mapping[str, Any], contract: str) -> str:
    pins: Sequence[str] = settings.get(SETTING, ())
    return pins_of(pins).get(contract, "")
