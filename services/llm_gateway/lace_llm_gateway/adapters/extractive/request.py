"""Reads a contract's input out of the user message, as a model would."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from lace_core.contracts import CONTRACTS
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.domain.exchange import Message

_MARKED = re.compile(r"<input-([0-9a-f]{16})>\n(.*?)\n</input-\1>", re.DOTALL)


def input_of(contract: str, messages: Sequence[Message]) -> Struct:
    """The typed input; raises LaceError INVALID_ARGUMENT where the messages hold none."""
    if contract not in CONTRACTS:
        raise LaceError(Reason.CONTRACT_UNKNOWN, f"No contract {contract}.")
    for message in messages:
        found = _MARKED.search(message.content) if message.role == "user" else None
        if found:
            try:
                asked: Struct = msgspec.json.decode(found[2], type=CONTRACTS[contract].input_type)
            except msgspec.MsgspecError as error:
                raise LaceError(Reason.INVALID_ARGUMENT, f"The input breaks {contract}: {error}.") from None
            return asked
    raise LaceError(Reason.INVALID_ARGUMENT, "The messages hold no marked input.")
