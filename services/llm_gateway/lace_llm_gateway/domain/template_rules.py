"""What a template must be before it is kept, and how its messages and a run's values become what is sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from lace_core.canonical import canonical_json
from lace_core.errors import Detail, LaceError, Reason
from lace_llm_gateway.domain.exchange import Message
from lace_llm_gateway.domain.marks import mark_as_data
from lace_llm_gateway.domain.schemas import answer_schema
from lace_llm_gateway.domain.stored_templates import (
    STRICTNESS,
    AlsBlock,
    GroundingMode,
    TemplateContent,
    TemplateMode,
    Variable,
    VariableType,
)

RESERVED_NAMES = "lace."
_PLACE = re.compile(r"\{\{([a-z][a-z0-9_]{0,63})\}\}")
_EXACT = 10**15  # a JSON number with more digits may have been rounded on its way here
_LARGEST_VALUE_BYTES = 1 << 20
_LARGEST_CONTENT_BYTES = 1 << 20
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # in JSON, behind an even number of backslashes


def check_content(content: TemplateContent, *, system: bool = False) -> None:
    """Raises LaceError TEMPLATE_INVALID with all that is wrong, or SCHEMA_INVALID, SCHEMA_CYCLE.

    `system` may use the pipelines' names.
    """
    found = [*_wrong_names(content, system), *_wrong_places(content), *_wrong_settings(content), *_wrong_bytes(content)]
    if found:
        first = found[0]
        raise LaceError(Reason.TEMPLATE_INVALID, f"{first.field}: {first.description}.", details=found)
    if content.output_schema is not None:
        answer_schema(canonical_json(dict(content.output_schema)).decode())


def _wrong_names(content: TemplateContent, system: bool) -> list[Detail]:
    found = []
    if content.name.startswith(RESERVED_NAMES) and not system:
        found.append(Detail("/name", f"may not begin with {RESERVED_NAMES}, as the pipelines' prompts do"))
    seen: set[str] = set()
    for index, variable in enumerate(content.variables):
        if variable.name in seen:
            found.append(Detail(f"/variables/{index}/name", f"{variable.name} is declared twice"))
        seen.add(variable.name)
    return found


def _wrong_places(content: TemplateContent) -> list[Detail]:
    declared = {variable.name for variable in content.variables}
    used: set[str] = set()
    found = []
    for index, message in enumerate(content.messages):
        for name in _PLACE.findall(message.content):
            used.add(name)
            if name not in declared:
                found.append(Detail(f"/messages/{index}", f"{{{{{name}}}}} is not declared in variables"))
    found += [
        Detail(f"/variables/{index}", f"{variable.name} stands in no message")
        for index, variable in enumerate(content.variables)
        if variable.name not in used
    ]
    return found


def _wrong_settings(content: TemplateContent) -> list[Detail]:
    found = []
    if not any(message.role == "user" for message in content.messages):
        found.append(Detail("/messages", "holds no message of the role user"))
    if content.mode is TemplateMode.JSON and content.output_schema is None:
        found.append(Detail("/output_schema", "is needed by the mode json"))
    if content.mode is TemplateMode.TEXT and content.output_schema is not None:
        found.append(Detail("/output_schema", "belongs to the mode json"))
    if content.provoker and not content.grounding.searches:
        found.append(Detail("/provoker", "provokes a search, and the grounding asks for none"))
    if content.als_template_id and not content.locales:
        found.append(Detail("/locales", "are needed where a context block depends on them"))
    if content.seed_key_id and not content.als_template_id:
        found.append(Detail("/seed_key_id", "belongs to a context block, and there is none"))
    return found


def _wrong_bytes(content: TemplateContent) -> list[Detail]:
    canonical = content.canonical()
    if len(canonical) > _LARGEST_CONTENT_BYTES:
        return [Detail("", f"is larger than {_LARGEST_CONTENT_BYTES} bytes")]
    if not _NUL.search(canonical):
        return []
    parts = orjson.loads(canonical).items()
    holding = [name for name, value in parts if _NUL.search(canonical_json(value))]
    return [Detail(f"/{name}", "holds the character 0, which is no text") for name in holding]


def check_values(content: TemplateContent, values: Mapping[str, Any]) -> None:
    """Raises LaceError TEMPLATE_VARIABLES_INVALID where values are missing, unknown or of another type."""
    declared = {variable.name: variable for variable in content.variables}
    found = [Detail(f"/variables/{name}", "is no variable of the template") for name in values if name not in declared]
    for name, variable in declared.items():
        if name in values:
            problem = _mistyped(variable, values[name])
            found += [Detail(f"/variables/{name}", problem)] if problem else []
        elif not variable.optional:
            found.append(Detail(f"/variables/{name}", "is missing"))
    if found:
        first = found[0]
        message = f"{first.field}: {first.description}."
        raise LaceError(Reason.TEMPLATE_VARIABLES_INVALID, message, details=found)


def locale_of(content: TemplateContent, locale: str) -> str:
    """The locale of a run; raises LaceError INVALID_ARGUMENT for one that the template does not have."""
    if locale in content.locales or (not locale and not content.als_template_id):
        return locale
    problem = f"must be one of {', '.join(content.locales)}" if content.locales else "is given, and there are none"
    raise LaceError(Reason.INVALID_ARGUMENT, f"/locale: {problem}.", details=[Detail("/locale", problem)])


def grounding_of(content: TemplateContent, wanted: GroundingMode | None) -> GroundingMode:
    """The grounding of a run; raises LaceError INVALID_ARGUMENT for one that is looser than the template's."""
    if wanted is None:
        return content.grounding
    if STRICTNESS.index(wanted) < STRICTNESS.index(content.grounding):
        problem = f"may not be looser than the template's {content.grounding.value}"
        raise LaceError(Reason.INVALID_ARGUMENT, f"/grounding: {problem}.", details=[Detail("/grounding", problem)])
    return wanted


def render(content: TemplateContent, values: Mapping[str, Any], block: AlsBlock, provoker: str) -> tuple[Message, ...]:
    """The messages of a run: the same values always give the same bytes.

    Texts and JSON come between marks and escaped (domain.marks): whatever they say is data. The block stands before
    the first message that is no system's, the provoker at the end of the last.
    """
    texts = {variable.name: _text_of(variable, values) for variable in content.variables}
    # One pass: what stands in a value is never taken for a place.
    messages = [
        Message(each.role, _PLACE.sub(lambda place: texts[place[1]], each.content)) for each in content.messages
    ]
    if provoker:
        messages[-1] = Message(messages[-1].role, f"{messages[-1].content}\n\n{provoker}")
    if block.als_block_text:
        first = next(index for index, message in enumerate(messages) if message.role != "system")
        messages.insert(first, Message("user", block.als_block_text))
    return tuple(messages)


def refuse_another_model(content: TemplateContent, resolved_model: str, answered_model: str, fingerprint: str) -> None:
    """Raises LaceError MODEL_VERSION_MISMATCH where the template is held to another version or fingerprint."""
    found = []
    answered = answered_model or resolved_model
    if content.model_version_constraint and answered != content.model_version_constraint:
        wanted = content.model_version_constraint
        found.append(Detail("/model_version_constraint", f"{answered} answered, and the template is held to {wanted}"))
    if content.allowed_fingerprints and fingerprint not in content.allowed_fingerprints:
        told = fingerprint or "none"
        found.append(Detail("/allowed_fingerprints", f"The fingerprint {told} is not among those allowed"))
    if found:
        raise LaceError(Reason.MODEL_VERSION_MISMATCH, f"{found[0].description}.", details=found)


def _text_of(variable: Variable, values: Mapping[str, Any]) -> str:
    if variable.name not in values:
        return ""
    canonical = canonical_json(values[variable.name]).decode()
    if variable.type in (VariableType.STRING, VariableType.JSON):
        return mark_as_data(canonical)
    return canonical


def _mistyped(variable: Variable, value: Any) -> str:
    """What is wrong with a value, empty where nothing is."""
    if not _TYPES[variable.type](value):
        return f"must be {_SAID[variable.type]}"
    try:
        canonical = canonical_json(value)
    except (ValueError, TypeError) as error:
        return f"has no canonical form: {error}"
    return f"is larger than {_LARGEST_VALUE_BYTES} bytes" if len(canonical) > _LARGEST_VALUE_BYTES else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _EXACT


_TYPES: Mapping[VariableType, Callable[[Any], bool]] = {
    VariableType.STRING: lambda value: isinstance(value, str),
    VariableType.INTEGER: lambda value: _is_number(value) and value == int(value),
    VariableType.NUMBER: _is_number,
    VariableType.BOOLEAN: lambda value: isinstance(value, bool),
    VariableType.JSON: lambda value: True,
}
_SAID = {
    VariableType.STRING: "a text",
    VariableType.INTEGER: "a whole number of at most 15 digits",
    VariableType.NUMBER: "a number of at most 15 digits before the point",
    VariableType.BOOLEAN: "true or false",
    VariableType.JSON: "a JSON value",
}
