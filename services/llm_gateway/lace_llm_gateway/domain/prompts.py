"""The pipelines' prompts: one packaged file for each contract, as the template that is stored, and its rendering."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import orjson

from lace_core.canonical import canonical_json, canonical_text
from lace_core.contracts import CONTRACTS
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.domain.exchange import Message
from lace_llm_gateway.domain.marks import mark_as_data
from lace_llm_gateway.domain.stored_templates import TemplateContent, TemplateMode, Variable, VariableType

INPUT = "input"
_PLACE = f"{{{{{INPUT}}}}}"
_VERSION_DIGITS = 12


@dataclass(frozen=True)
class PromptTemplate:
    """A contract's prompt; `template_hash` is the SHA-256 of the stored content, schema of the answer included.

    `template_id` is empty where the prompt comes from the package alone.
    """

    contract: str
    messages: tuple[Message, ...]
    template_hash: str
    version: str
    template_id: str = ""

    def render(self, input_json: str) -> tuple[Message, ...]:
        """The messages for an input (JSON text); the same input always gives the same bytes."""
        data = mark_as_data(canonical_json(orjson.loads(input_json)).decode())
        return tuple(Message(each.role, each.content.replace(_PLACE, data)) for each in self.messages)


@cache
def packaged(contract: str) -> TemplateContent:
    """The template of a contract as this version brings it; raises LaceError CONTRACT_UNKNOWN.

    Its version is made of its content: who edits the file has made another version.
    """
    if contract not in CONTRACTS:
        raise LaceError(Reason.CONTRACT_UNKNOWN, f"No contract {contract}; there are {', '.join(sorted(CONTRACTS))}.")
    place = files("lace_llm_gateway.domain") / "templates" / f"{contract}.md"
    text = canonical_text(place.read_text(encoding="utf-8"))
    system, user = text.removeprefix("# system\n").split("\n# user\n")
    content = TemplateContent(
        name=contract,
        version="",
        messages=(Message("system", system), Message("user", user)),
        variables=(Variable(INPUT, VariableType.JSON),),
        mode=TemplateMode.JSON,
        output_schema=CONTRACTS[contract].output_schema(),
    )
    return replace(content, version=content.template_sha256[:_VERSION_DIGITS])


@cache
def template_of(contract: str) -> PromptTemplate:
    """The packaged prompt of a contract; raises LaceError CONTRACT_UNKNOWN."""
    return prompt_of(contract, packaged(contract))


def prompt_of(contract: str, content: TemplateContent, template_id: str = "") -> PromptTemplate:
    """The prompt that a stored template is for a contract; raises LaceError TEMPLATE_INVALID where it cannot be one.

    It must ask for the answer that the contract checks, and take the contract's input and nothing else.
    """
    takes = [(variable.name, variable.type) for variable in content.variables]
    if takes != [(INPUT, VariableType.JSON)] or content.mode is not TemplateMode.JSON:
        raise LaceError(
            Reason.TEMPLATE_INVALID,
            f"{content.name} {content.version} is no prompt of {contract}: it must be of the mode json and take one "
            f"variable {INPUT} of the type json.",
        )
    return PromptTemplate(contract, content.messages, content.template_sha256, content.version, template_id)
