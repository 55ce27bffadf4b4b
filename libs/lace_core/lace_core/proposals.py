"""Proposals from outside: bounded before they are decoded, decoded in one place, refused with a code and a pointer.

Whoever proposes (a model, a person, a program) is asked for the JSON Schema of lace_core.actions, and what comes is
decoded here, by the very types that the schema is made of and that apply takes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct

from lace_core.actions import Action, Proposal
from lace_core.rejections import RejectionCode

_LARGEST_NUMBER = 2**31 - 1
_AT = re.compile(r" - at `\$(.*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_FIELD = re.compile(r"unknown field `([^`]*)`")


@dataclass(frozen=True)
class ProposalLimits:
    """What is read at most: bytes of a proposal, actions in it, and characters (code points) of one text."""

    max_bytes: int = 8_388_608
    max_actions: int = 1000
    max_text: int = 100_000


class ProposalRefused(ValueError):
    """Why a proposal is none that can be applied; `pointer` leads to the cause in it, empty for the whole."""

    def __init__(self, code: RejectionCode, pointer: str, message: str) -> None:
        super().__init__(f"{pointer}: {message}" if pointer else message)
        self.code, self.pointer, self.message = code, pointer, message


class _Envelope(Struct, forbid_unknown_fields=True):
    """A proposal whose actions are counted before any of them is decoded."""

    base_hash: str
    actions: list[msgspec.Raw]


def decode_proposal(data: bytes, limits: ProposalLimits = ProposalLimits()) -> Proposal:
    """The proposal of its JSON text; raises ProposalRefused."""
    if len(data) > limits.max_bytes:
        message = f"{len(data)} bytes, {limits.max_bytes} are read at most; send the actions in several proposals."
        raise ProposalRefused(RejectionCode.PROPOSAL_TOO_LARGE, "", message)
    envelope = _read(lambda: msgspec.json.decode(data, type=_Envelope), "")
    _check_count(len(envelope.actions), limits)
    actions = tuple(
        _read(lambda raw=raw: msgspec.json.decode(raw, type=Action), f"/actions/{place}")  # type: ignore[misc]
        for place, raw in enumerate(envelope.actions)
    )
    _check_values(actions, limits)
    return Proposal(base_hash=envelope.base_hash, actions=actions)


def actions_of(forms: Sequence[Mapping[str, Any]], limits: ProposalLimits = ProposalLimits()) -> tuple[Action, ...]:
    """The actions of their parsed JSON; raises ProposalRefused."""
    _check_count(len(forms), limits)
    actions = tuple(
        _read(lambda form=form: msgspec.convert(form, Action), f"/actions/{place}")  # type: ignore[misc]
        for place, form in enumerate(forms)
    )
    _check_values(actions, limits)
    return actions


def _check_count(count: int, limits: ProposalLimits) -> None:
    if count > limits.max_actions:
        message = f"{count} actions, {limits.max_actions} are applied at once; send several proposals."
        raise ProposalRefused(RejectionCode.TOO_MANY_ACTIONS, "/actions", message)


def _read(decode: Callable[[], Any], at: str) -> Any:
    try:
        return decode()
    except msgspec.ValidationError as error:
        told, pointer = _told(str(error))
        message = f"{told}; compare it with the schema of proposals."
        raise ProposalRefused(RejectionCode.NOT_THE_SCHEMA, at + pointer, message) from None
    except RecursionError:
        message = "It is nested deeper than any action is; send actions as the schema has them."
        raise ProposalRefused(RejectionCode.TOO_DEEP, at, message) from None
    except UnicodeError:
        message = "It holds bytes that are no UTF-8; send UTF-8 JSON."
        raise ProposalRefused(RejectionCode.TEXT_INVALID, at, message) from None
    except msgspec.DecodeError as error:
        raise ProposalRefused(RejectionCode.NOT_JSON, at, f"It is no JSON ({error}); send UTF-8 JSON.") from None


def _told(text: str) -> tuple[str, str]:
    """A decoder's message without its path, and that as a JSON Pointer."""
    found = _AT.search(text)
    pointer = "".join(f"/{name or index}" for name, index in _STEP.findall(found[1])) if found else ""
    told = text[: found.start()] if found else text
    field = _FIELD.search(told)
    return told, f"{pointer}/{_escaped(field[1])}" if field else pointer


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _check_values(actions: Sequence[Action], limits: ProposalLimits) -> None:
    """What the types do not say: how long a text is, that it is Unicode, and that a number is one of 32 bits."""
    for place, action in enumerate(actions):
        for pointer, value in _leaves(action, f"/actions/{place}"):
            if isinstance(value, int):
                if not -_LARGEST_NUMBER <= value <= _LARGEST_NUMBER:
                    message = f"{value:.3e} is too large a number; {_LARGEST_NUMBER} is the largest."
                    raise ProposalRefused(RejectionCode.NOT_THE_SCHEMA, pointer, message)
            elif len(value) > limits.max_text:
                message = f"{len(value)} characters, {limits.max_text} are kept at most; make several blocks of it."
                raise ProposalRefused(RejectionCode.TEXT_TOO_LONG, pointer, message)
            elif "\0" in value or (not value.isascii() and _has_surrogate(value)):
                message = "It holds a lone surrogate or U+0000, which no text can; send well-formed Unicode without it."
                raise ProposalRefused(RejectionCode.TEXT_INVALID, pointer, message)


def _leaves(value: Any, at: str) -> Iterator[tuple[str, str | int]]:
    """The texts and numbers of a value, each with its pointer."""
    if isinstance(value, str):
        yield at, str(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield at, value
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{at}/{index}")
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            yield from _leaves(getattr(value, name), f"{at}/{name}")


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
