"""What a provider said as the canonical output of a call, or a coded refusal: finish reason first, then its form."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jsonschema_rs
import orjson

from lace_core.canonical import canonical_json_of_text, canonical_text
from lace_core.contracts import CONTRACTS
from lace_core.errors import Detail, LaceError, Reason
from lace_llm_gateway.domain.exchange import FinishReason, Message, ProviderAnswer
from lace_llm_gateway.domain.schemas import AnswerSchema

_MOST_DETAILS = 20
_LONGEST_DETAIL = 300
# Half of a JSON text never ends so and is valid too; half of a number may be a number.
_CLOSES = ("}", "]", '"')


def check_input(contract: str, input_json: str) -> None:
    """Raises LaceError CONTRACT_UNKNOWN, or INVALID_ARGUMENT where the input breaks the contract's schema."""
    if contract not in CONTRACTS:
        raise LaceError(Reason.CONTRACT_UNKNOWN, f"No contract {contract}; there are {', '.join(sorted(CONTRACTS))}.")
    try:
        value = orjson.loads(input_json)
    except orjson.JSONDecodeError as error:
        raise LaceError(Reason.INVALID_ARGUMENT, f"input_json is not JSON: {error}.") from None
    found = _violations(_validator(contract, "input"), value)
    if found:
        where = f"{found[0].field or '/'}: {found[0].description}"
        raise LaceError(Reason.INVALID_ARGUMENT, f"input_json breaks {contract}: {where}", details=found)


def refuse_unfinished(answer: ProviderAnswer, *, is_text: bool = True, partial: bool = False) -> None:
    """Raises LaceError for an answer that did not come to its end: half an answer is never parsed or repaired.

    An end of which nobody knows what it means may be a cut: JSON that closes shows that it is whole, a text (`is_text`)
    cannot. With `partial` the caller takes a text that may be cut, and its finish reason says so.
    """
    match answer.finish_reason:
        case FinishReason.LENGTH if not partial:
            raise LaceError(
                Reason.PROVIDER_OUTPUT_TRUNCATED,
                "The answer was cut at its output limit; raise llm.max_output_tokens or ask for less.",
            )
        case FinishReason.REFUSAL | FinishReason.FILTER:
            what = "refused" if answer.finish_reason is FinishReason.REFUSAL else "was cut by the provider's filter"
            raise LaceError(Reason.PROVIDER_REFUSED, f"The model {answer.answered_model} {what}.")
        case FinishReason.TOOL:
            raise LaceError(Reason.PROVIDER_OUTPUT_INVALID, "The model asked for a tool, and it was given none.")
        case FinishReason.STOP | FinishReason.UNKNOWN if not answer.text.strip():
            raise LaceError(Reason.PROVIDER_OUTPUT_INVALID, "The model answered with nothing.", retryable=True)
        case FinishReason.UNKNOWN if not partial and (is_text or not answer.text.rstrip().endswith(_CLOSES)):
            raise LaceError(
                Reason.PROVIDER_OUTPUT_TRUNCATED,
                "The provider ended its answer for a reason that is not known here, so that it may be cut.",
            )
        case _:
            return


def canonical_output(contract: str, text: str, schema: AnswerSchema | None = None) -> str:
    """The canonical JSON (schema mode) or text (text mode) of an answer; raises LaceError PROVIDER_OUTPUT_INVALID.

    `schema` is the caller's own, where there is no contract.
    """
    if not contract and schema is None:
        return _plain_text(text)
    validator = _validator(contract, "output") if schema is None else schema.validator
    try:
        output = canonical_json_of_text(text).decode()
        value = orjson.loads(output)
    except (ValueError, RecursionError) as error:
        raise _invalid(contract, [Detail("", f"is not JSON: {error}"[:_LONGEST_DETAIL])]) from None
    found = _violations(validator, value)
    if found:
        raise _invalid(contract, found)
    return output


def _plain_text(text: str) -> str:
    if "\0" in text:  # no database keeps it, and no text has it
        raise _invalid("", [Detail("", "holds the character 0, which is no text")])
    return canonical_text(text)


def repair_messages(answer: str, failure: LaceError) -> tuple[Message, Message]:
    """What is added to the conversation so that the model mends its answer."""
    found = "\n".join(f"- {detail.field or '/'}: {detail.description}" for detail in failure.details)
    return (
        Message("assistant", answer),
        Message(
            "user",
            f"Your answer breaks the required JSON Schema:\n{found}\n"
            "Answer again with the whole corrected JSON object and nothing else. Change nothing but what is broken.",
        ),
    )


def _invalid(contract: str, details: list[Detail]) -> LaceError:
    where = f"{details[0].field or '/'}: {details[0].description}"
    return LaceError(
        Reason.PROVIDER_OUTPUT_INVALID,
        f"The answer breaks {contract or 'what was asked for'}: {where}",
        details=details,
        retryable=True,
    )


@lru_cache(maxsize=64)
def _validator(contract: str, side: str) -> Any:
    known = CONTRACTS[contract]
    return jsonschema_rs.validator_for(known.input_schema() if side == "input" else known.output_schema())


def _violations(validator: Any, value: object) -> list[Detail]:
    if validator.is_valid(value):
        return []
    found: list[Detail] = []
    for error in validator.iter_errors(value):
        pointer = "".join(f"/{part}" for part in error.instance_path)
        found.append(Detail(pointer, str(error.message)[:_LONGEST_DETAIL]))
        if len(found) == _MOST_DETAILS:
            break
    return found
