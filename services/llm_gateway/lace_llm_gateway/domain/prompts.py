"""The prompt templates, one file for each contract, and how a contract's input becomes messages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import orjson

from lace_core.canonical import canonical_json, canonical_text, sha256_hex
from lace_core.contracts import CONTRACTS
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.domain.exchange import Message

_PLACE = "{{input}}"
_NONCE_DIGITS = 16
# A source that holds the end mark, or a tag of its own, must not be able to end the data: JSON lets us write
# these characters as escapes, so that none of them stands literally between the marks.
_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


@dataclass(frozen=True)
class PromptTemplate:
    """A contract's prompt; `template_hash` is the SHA-256 of its canonical text."""

    contract: str
    system: str
    user: str
    template_hash: str

    def render(self, input_json: str) -> tuple[Message, ...]:
        """The messages for an input (JSON text); the same input always gives the same bytes."""
        return (
            Message("system", self.system),
            Message("user", self.user.replace(_PLACE, mark_as_data(canonical_json(orjson.loads(input_json)).decode()))),
        )


def mark_as_data(canonical: str) -> str:
    """The JSON between marks that hold a nonce of its own hash; nothing inside can be taken for a mark."""
    nonce = sha256_hex(canonical.encode())[:_NONCE_DIGITS]
    return f"<input-{nonce}>\n{canonical.translate(_ESCAPES)}\n</input-{nonce}>"


@cache
def template_of(contract: str) -> PromptTemplate:
    """The template of a contract; raises LaceError CONTRACT_UNKNOWN."""
    if contract not in CONTRACTS:
        raise LaceError(Reason.CONTRACT_UNKNOWN, f"No contract {contract}; there are {', '.join(sorted(CONTRACTS))}.")
    place = files("lace_llm_gateway.domain") / "templates" / f"{contract}.md"
    text = canonical_text(place.read_text(encoding="utf-8"))
    system, user = text.removeprefix("# system\n").split("\n# user\n")
    return PromptTemplate(contract, system, user, sha256_hex(text.encode()))
