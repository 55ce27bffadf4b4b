"""A model's answer as its contract has it, or a coded refusal that points to what is wrong with it."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec
from msgspec import Struct

from lace_core.contract_bounds import LONGEST_ANSWER, excess
from lace_core.contracts import Contract
from lace_core.errors import Detail, LaceError, Reason

T = TypeVar("T", bound=Struct)

_PLACE = re.compile(r" - at `\$(.*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


def answer_of(contract: Contract, output: str, kind: type[T]) -> T:
    """The answer; raises LaceError PROVIDER_OUTPUT_INVALID for what is not JSON, not of the contract's schema, or more
    than anybody could read.
    """
    if len(output) > LONGEST_ANSWER:
        message = f"TOO_LONG: there are {len(output)} characters, and {LONGEST_ANSWER} are allowed."
        raise _invalid(contract, "", message)
    try:
        answer = msgspec.json.decode(output, type=kind)
    except msgspec.ValidationError as error:
        pointer, message = pointed(str(error))
        raise _invalid(contract, pointer, f"SCHEMA: {message}") from None
    except msgspec.DecodeError as error:
        raise _invalid(contract, "", f"NOT_JSON: {error}") from None
    found = excess(answer)
    if found is not None:
        raise _invalid(contract, found.pointer, f"TOO_MANY: there are {found.items} entries.")
    return answer


def pointed(message: str) -> tuple[str, str]:
    """msgspec's message as a JSON Pointer and what is wrong there; the pointer is empty for the whole."""
    place = _PLACE.search(message)
    if place is None:
        return "", message
    steps = [name or index for name, index in _STEP.findall(place[1])]
    return "".join(f"/{step}" for step in steps), message[: place.start()]


def _invalid(contract: Contract, pointer: str, message: str) -> LaceError:
    where = f" at {pointer}" if pointer else ""
    return LaceError(
        Reason.PROVIDER_OUTPUT_INVALID,
        f"The answer breaks {contract.name}{where}: {message}",
        details=[Detail(pointer, message)],
        retryable=True,
    )
