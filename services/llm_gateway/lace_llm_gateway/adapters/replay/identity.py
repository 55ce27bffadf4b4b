"""What makes two prompts the same although each call seals its data with a nonce and a tag of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lace_core.canonical import canonical_json, sha256_hex
from lace_llm_gateway.domain.exchange import Message

_NONCE = re.compile(r"(</?input-)[0-9a-f]{16}>")
_TOLD = re.compile(r"Words of the form REDACTED_KIND_1_([0-9a-f]{8}) stand for text")
_NO_NONCE, _NO_TAG = r"\g<1>0000000000000000>", "00000000"


@dataclass(frozen=True)
class Prompt:
    """`input_hash` is the SHA-256 of the messages without what is of one call only; `tag` is that call's own.

    Where texts are named at which the answer ends, they are hashed too: with others it is another answer.
    """

    input_hash: str
    tag: str

    @classmethod
    def of(cls, messages: Sequence[Message], stop: Sequence[str] = ()) -> Prompt:
        """Of the messages as they are sent."""
        found = next((match[1] for match in (_TOLD.search(m.content) for m in messages) if match), "")
        plain = [{"role": m.role, "content": _untagged(_NONCE.sub(_NO_NONCE, m.content), found)} for m in messages]
        asked = {"messages": plain, "stop": list(stop)} if stop else plain
        return cls(sha256_hex(canonical_json(asked)), found)

    def kept(self, text: str) -> str:
        """An answer as it is recorded."""
        return _untagged(text, self.tag)

    def given(self, text: str) -> str:
        """A recorded answer with the placeholders of this call."""
        return text.replace(f"_{_NO_TAG}", f"_{self.tag}") if self.tag else text


def _untagged(text: str, tag: str) -> str:
    return text.replace(f"_{tag}", f"_{_NO_TAG}") if tag else text
