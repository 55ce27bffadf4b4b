"""Templates as they are written once, and their runs: the values, and what makes two of them the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

import orjson

from lace_core.canonical import canonical_json, sha256_hex
from lace_llm_gateway.domain.exchange import Message

SYSTEM_TENANT = "system"  # whose templates the pipelines' prompts are; every tenant reads them
SYSTEM_PRINCIPAL = "system"


class VariableType(StrEnum):
    """What a variable may hold."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    JSON = "json"


class TemplateMode(StrEnum):
    """What an answer is."""

    TEXT = "text"
    JSON = "json"


class GroundingMode(StrEnum):
    """Whether the provider searches, and what becomes of an answer without evidence of it."""

    NONE = "none"
    PREFERRED = "preferred"
    REQUIRED = "required"

    @property
    def searches(self) -> bool:
        """Whether a search is offered to the model."""
        return self is not GroundingMode.NONE


# From the loosest to the strictest.
STRICTNESS = (GroundingMode.NONE, GroundingMode.PREFERRED, GroundingMode.REQUIRED)


class TemplateRunState(StrEnum):
    """Life of a run: `queued` is written before anything is asked, so that no paid call goes unrecorded."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self not in (TemplateRunState.QUEUED, TemplateRunState.RUNNING)


@dataclass(frozen=True)
class Variable:
    """A variable; one that is `optional` stands for the empty text where a run leaves it out."""

    name: str
    type: VariableType = VariableType.STRING
    optional: bool = False
    description: str = ""


@dataclass(frozen=True)
class AlsVariant:
    """One wording of a context block; an empty locale is for all that have no wording of their own."""

    variant_id: str
    locale: str
    text: str


@dataclass(frozen=True)
class TemplateContent:
    """All that makes a template; the empty value of a field means that it says nothing.

    `model_version_constraint` is the model version that must answer, letter by letter. `seed_key_id` names the key
    under which the wording of the block `als_template_id` is chosen out of `als_variants`. Temperature is in
    thousandths.
    """

    name: str
    version: str
    messages: tuple[Message, ...]
    variables: tuple[Variable, ...] = ()
    provider: str = ""
    model: str = ""
    model_version_constraint: str = ""
    allowed_fingerprints: tuple[str, ...] = ()
    mode: TemplateMode = TemplateMode.TEXT
    output_schema: Mapping[str, Any] | None = None
    temperature_milli: int | None = None
    max_output_tokens: int = 0
    grounding: GroundingMode = GroundingMode.NONE
    provoker: str = ""
    als_template_id: str = ""
    als_variants: tuple[AlsVariant, ...] = ()
    seed_key_id: str = ""
    locales: tuple[str, ...] = ()

    def canonical(self) -> bytes:
        """The canonical JSON that is stored and hashed.

        What says nothing is left out, so that a field that is added one day leaves the hashes of older templates as
        they are.
        """
        return canonical_json({key: value for key, value in _content_json(self).items() if value not in _NOTHING})

    @property
    def template_sha256(self) -> str:
        """SHA-256 of the canonical JSON."""
        return sha256_hex(self.canonical())


_NOTHING: tuple[object, ...] = ("", None, [])


def _content_json(content: TemplateContent) -> dict[str, Any]:
    found: dict[str, Any] = dict(vars(content))
    found["messages"] = [vars(message) for message in content.messages]
    found["variables"] = [_variable_json(variable) for variable in content.variables]
    found["als_variants"] = [vars(variant) for variant in content.als_variants]
    found["mode"] = content.mode.value
    found["grounding"] = "" if content.grounding is GroundingMode.NONE else content.grounding.value
    found["max_output_tokens"] = content.max_output_tokens or None
    for name in ("allowed_fingerprints", "locales"):
        found[name] = list(getattr(content, name))
    return found


def _variable_json(variable: Variable) -> dict[str, Any]:
    found = {"name": variable.name, "type": variable.type.value}
    return {**found, **({"optional": True} if variable.optional else {}), **_described(variable)}


def _described(variable: Variable) -> dict[str, str]:
    return {"description": variable.description} if variable.description else {}


def content_of(stored: Mapping[str, Any]) -> TemplateContent:
    """The content out of its stored JSON, the inverse of `TemplateContent.canonical`."""
    values = dict(stored)
    values["messages"] = tuple(Message(**message) for message in stored["messages"])
    values["variables"] = tuple(
        Variable(**{**each, "type": VariableType(each["type"])}) for each in stored.get("variables", ())
    )
    values["als_variants"] = tuple(AlsVariant(**each) for each in stored.get("als_variants", ()))
    values["mode"] = TemplateMode(stored["mode"])
    values["grounding"] = GroundingMode(stored.get("grounding", GroundingMode.NONE))
    for name in ("allowed_fingerprints", "locales"):
        values[name] = tuple(stored.get(name, ()))
    return TemplateContent(**values)


@dataclass(frozen=True)
class Template:
    """A template as it is kept: `content_json` is canonical, `record_hmac` seals all of it under `hmac_key_id`."""

    tenant_id: str
    template_id: str
    template_sha256: str
    name: str
    version: str
    content_json: str
    created_at: datetime
    created_by: str
    hmac_key_id: str = ""
    record_hmac: str = ""

    @cached_property
    def content(self) -> TemplateContent:
        """What was written; to be looked at behind the seal only."""
        return content_of(orjson.loads(self.content_json))

    def sealed_bytes(self) -> bytes:
        """What the seal is made over: every column but the seal itself."""
        sealed = {name: value for name, value in vars(self).items() if name in _SEALED}
        return canonical_json({**sealed, "created_at": self.created_at.isoformat()})


_SEALED = frozenset(each.name for each in fields(Template)) - {"record_hmac"}


@dataclass(frozen=True)
class Provenance:
    """Where an answer came from: which model, which settings of the world around it. Cost in millionths of a dollar.

    `step2_tools_invoked` is None and `step2_source_ref` empty where the answer was made in one step.
    """

    provider: str = ""
    requested_model: str = ""
    resolved_model: str = ""
    answered_model: str = ""
    fingerprint: str = ""
    response_api: str = ""
    input_hash: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micro_usd: int = 0
    call_id: str = ""
    step2_tools_invoked: bool | None = None
    step2_source_ref: str = ""


@dataclass(frozen=True)
class AlsBlock:
    """The context block of a run as it was sent; all fields are empty without one."""

    seed_key_id: str = ""
    als_variant_id: str = ""
    als_block_text: str = ""
    als_block_sha256: str = ""


@dataclass(frozen=True)
class Answered:
    """What a run gave; `output_json_valid` is None in text mode and where there is no answer."""

    output: str = ""
    response_output_sha256: str = ""
    output_json_valid: bool | None = None
    grounded: bool = False
    why_not_grounded: str = ""
    error_code: str = ""
    error_message: str = ""


@dataclass(frozen=True)
class TemplateRun:
    """One run of a template; `variables` are the values that it was asked with, times are in UTC."""

    tenant_id: str
    run_id: str
    template_id: str
    template_name: str
    template_version: str
    template_sha256: str
    state: TemplateRunState
    created_at: datetime
    created_by: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    locale: str = ""
    grounding: GroundingMode = GroundingMode.NONE
    batch_id: str = ""
    batch_run_index: int = 0
    replicate_index: int = 0
    provoker_value: str = ""
    als: AlsBlock = AlsBlock()
    provenance: Provenance = Provenance()
    answered: Answered = Answered()
    ended_at: datetime | None = None


@dataclass(frozen=True)
class RunFilter:
    """Which runs of a template are wanted; an empty or None field wants all."""

    state: TemplateRunState | None = None
    locale: str = ""
    batch_id: str = ""
    response_output_sha256: str = ""
    answered_model: str = ""
    grounded: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
