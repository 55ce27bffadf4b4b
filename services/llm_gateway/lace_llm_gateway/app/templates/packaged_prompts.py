"""The prompts that come with the package, for where there is no store of templates."""

from __future__ import annotations

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.domain.prompts import PromptTemplate, template_of


class PackagedPrompts:
    """See app.ports.Prompts; there is one prompt of each contract."""

    async def of_contract(self, tenant_id: str, contract: str, pinned: str) -> PromptTemplate:
        """Raises LaceError CONTRACT_UNKNOWN, TEMPLATE_NOT_FOUND for a pin of another version."""
        del tenant_id
        prompt = template_of(contract)
        if pinned not in ("", prompt.template_hash):
            raise unknown_prompt(contract, pinned)
        return prompt


def unknown_prompt(contract: str, wanted: str) -> LaceError:
    """There is no prompt of that hash."""
    return LaceError(Reason.TEMPLATE_NOT_FOUND, f"No template of the hash {wanted[:12]}… for {contract}.")
