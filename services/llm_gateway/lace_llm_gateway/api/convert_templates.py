"""Between the contract's templates and the gateway's own values; nothing else knows both."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format

from lace.llm_gateway.v1 import templates_pb2 as wire
from lace_core.canonical import canonical_json
from lace_llm_gateway.app.templates.run_template import RunAsk
from lace_llm_gateway.domain.exchange import Message
from lace_llm_gateway.domain.stored_templates import (
    AlsVariant,
    GroundingMode,
    RunFilter,
    Template,
    TemplateContent,
    TemplateMode,
    TemplateRun,
    TemplateRunState,
    Variable,
    VariableType,
)
from lace_proto import json as wire_json
from lace_proto.times import to_datetime, to_timestamp

_TYPES = {
    VariableType.STRING: wire.VARIABLE_TYPE_STRING,
    VariableType.INTEGER: wire.VARIABLE_TYPE_INTEGER,
    VariableType.NUMBER: wire.VARIABLE_TYPE_NUMBER,
    VariableType.BOOLEAN: wire.VARIABLE_TYPE_BOOLEAN,
    VariableType.JSON: wire.VARIABLE_TYPE_JSON,
}
_MODES = {TemplateMode.TEXT: wire.TEMPLATE_MODE_TEXT, TemplateMode.JSON: wire.TEMPLATE_MODE_JSON}
GROUNDINGS = {
    GroundingMode.NONE: wire.GROUNDING_MODE_NONE,
    GroundingMode.PREFERRED: wire.GROUNDING_MODE_PREFERRED,
    GroundingMode.REQUIRED: wire.GROUNDING_MODE_REQUIRED,
}
_STATES = {
    TemplateRunState.QUEUED: wire.TEMPLATE_RUN_STATE_QUEUED,
    TemplateRunState.RUNNING: wire.TEMPLATE_RUN_STATE_RUNNING,
    TemplateRunState.SUCCEEDED: wire.TEMPLATE_RUN_STATE_SUCCEEDED,
    TemplateRunState.FAILED: wire.TEMPLATE_RUN_STATE_FAILED,
    TemplateRunState.CANCELLED: wire.TEMPLATE_RUN_STATE_CANCELLED,
}
_TYPE_OF = {number: kind for kind, number in _TYPES.items()}
_MODE_OF = {number: mode for mode, number in _MODES.items()}
GROUNDING_OF = {number: mode for mode, number in GROUNDINGS.items()}
_STATE_OF = {number: state for state, number in _STATES.items()}


def canonical_request(request: Any) -> bytes:
    """The request as its Idempotency-Key remembers it."""
    return canonical_json(wire_json.to_python(request))


def content_of(message: wire.TemplateContent) -> TemplateContent:
    """The content that is asked for."""
    sampling = message.sampling
    return TemplateContent(
        name=message.name,
        version=message.version,
        messages=tuple(Message(each.role, each.content) for each in message.messages),
        variables=tuple(_variable_of(each) for each in message.variables),
        provider=message.provider,
        model=message.model,
        model_version_constraint=message.model_version_constraint,
        allowed_fingerprints=tuple(message.allowed_fingerprints),
        mode=_MODE_OF.get(message.mode, TemplateMode.TEXT),
        output_schema=json_format.MessageToDict(message.output_schema) if message.HasField("output_schema") else None,
        temperature_milli=sampling.temperature_milli if sampling.HasField("temperature_milli") else None,
        max_output_tokens=sampling.max_output_tokens,
        grounding=GROUNDING_OF.get(message.grounding, GroundingMode.NONE),
        provoker=message.provoker,
        als_template_id=message.als.als_template_id,
        als_variants=tuple(AlsVariant(each.variant_id, each.locale, each.text) for each in message.als.variants),
        seed_key_id=message.seed_key_id,
        locales=tuple(message.locales),
    )


def content_message(content: TemplateContent) -> wire.TemplateContent:
    """The content as the contract shows it; the inverse of `content_of`."""
    message = wire.TemplateContent(
        name=content.name,
        version=content.version,
        provider=content.provider,
        model=content.model,
        model_version_constraint=content.model_version_constraint,
        allowed_fingerprints=content.allowed_fingerprints,
        mode=_MODES[content.mode],
        grounding=GROUNDINGS[content.grounding],
        provoker=content.provoker,
        seed_key_id=content.seed_key_id,
        locales=content.locales,
    )
    for each in content.messages:
        message.messages.add(role=each.role, content=each.content)
    message.variables.extend(_variable_message(variable) for variable in content.variables)
    if content.output_schema is not None:
        message.output_schema.update(dict(content.output_schema))
    if content.temperature_milli is not None:
        message.sampling.temperature_milli = content.temperature_milli
    if content.max_output_tokens:
        message.sampling.max_output_tokens = content.max_output_tokens
    if content.als_template_id:
        message.als.als_template_id = content.als_template_id
    for variant in content.als_variants:
        message.als.variants.add(variant_id=variant.variant_id, locale=variant.locale, text=variant.text)
    return message


def template_message(template: Template) -> wire.Template:
    """A template as the contract shows it."""
    return wire.Template(
        template_id=template.template_id,
        template_sha256=template.template_sha256,
        content=content_message(template.content),
        created_at=to_timestamp(template.created_at),
        created_by=template.created_by,
        hmac_key_id=template.hmac_key_id,
    )


def ask_of(message: wire.RunTemplateRequest) -> RunAsk:
    """What a run is asked with."""
    return RunAsk(
        template_id=message.template_id,
        variables=json_format.MessageToDict(message.variables),
        locale=message.locale,
        grounding=GROUNDING_OF.get(message.grounding),
    )


def filter_of(message: wire.ListTemplateRunsRequest) -> RunFilter:
    """Which runs are wanted."""
    return RunFilter(
        state=_STATE_OF.get(message.state),
        locale=message.locale,
        batch_id=message.batch_id,
        response_output_sha256=message.response_output_sha256,
        answered_model=message.answered_model,
        grounded=message.grounded if message.HasField("grounded") else None,
        since=to_datetime(message.since) if message.HasField("since") else None,
        until=to_datetime(message.until) if message.HasField("until") else None,
    )


def run_message(run: TemplateRun) -> wire.TemplateRun:
    """A run as the contract shows it; the variables' values stay in the record."""
    plain = ("run_id", "template_id", "template_name", "template_version", "template_sha256", "locale")
    place = ("batch_id", "batch_run_index", "replicate_index", "provoker_value", "created_by")
    values = {name: getattr(run, name) for name in (*plain, *place)}
    for part in (run.als, run.provenance, run.answered):
        values.update((name, value) for name, value in vars(part).items() if value is not None)
    message = wire.TemplateRun(**values, state=_STATES[run.state], grounding=GROUNDINGS[run.grounding])
    message.created_at.CopyFrom(to_timestamp(run.created_at))
    if run.ended_at is not None:
        message.ended_at.CopyFrom(to_timestamp(run.ended_at))
    return message


def _variable_of(message: wire.TemplateVariable) -> Variable:
    kind = _TYPE_OF.get(message.type, VariableType.STRING)
    return Variable(message.name, kind, message.optional, message.description)


def _variable_message(variable: Variable) -> wire.TemplateVariable:
    return wire.TemplateVariable(
        name=variable.name,
        type=_TYPES[variable.type],
        optional=variable.optional,
        description=variable.description,
    )
