"""What makes two prompts the same although each call seals its data with a nonce, a tag and ids of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lace_core.canonical import canonical_json, sha256_hex
from lace_llm_gateway.domain.exchange import Message

_NONCE = re.compile(r"(</?input-)[0-9a-f]{16}>")
_TOLD = re.compile(r"Words of the form REDACTED_KIND_1_([0-9a-f]{8}) stand for text")
_NO_NONCE, _NO_TAG = r"\g<1>0000000000000000>", "00000000"
_ID = re.compile(r"\b([a-z]{3})_[0-9a-z]{26}\b")


@dataclass(frozen=True)
class Prompt:
    """`input_hash` is the SHA-256 of the messages without what is of one call only; `tag` is that call's own.

    So are `ids`, those of the tenant's documents and sources in the order in which they first stand in the messages: an
    installation of its own gives other ids to the same, and its recordings are to be of use elsewhere. Where texts are
    named at which the answer ends, they are hashed too: with others it is another answer.
    """

    input_hash: str
    tag: str
    ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, messages: Sequence[Message], stop: Sequence[str] = ()) -> Prompt:
        """Of the messages as they are sent."""
        found = next((match[1] for match in (_TOLD.search(m.content) for m in messages) if match), "")
        ids = tuple(dict.fromkeys(match[0] for m in messages for match in _ID.finditer(m.content)))
        named = _renamed({ident: _place(ident, number) for number, ident in enumerate(ids)})
        plain = [
            {"role": m.role, "content": named(_untagged(_NONCE.sub(_NO_NONCE, m.content), found))} for m in messages
        ]
        asked = {"messages": plain, "stop": list(stop)} if stop else plain
        return cls(sha256_hex(canonical_json(asked)), found, ids)

    def kept(self, text: str) -> str:
        """An answer as it is recorded."""
        places = {ident: _place(ident, number) for number, ident in enumerate(self.ids)}
        return _renamed(places)(_untagged(text, self.tag))

    def given(self, text: str) -> str:
        """A recorded answer with the placeholders and the ids of this call."""
        ids = {_place(ident, number): ident for number, ident in enumerate(self.ids)}
        named = _renamed(ids)(text)
        return named.replace(f"_{_NO_TAG}", f"_{self.tag}") if self.tag else named


def _place(ident: str, number: int) -> str:
    """What stands for an id: its prefix, and its number among the ids of the prompt."""
    return f"{ident[:3]}_{number:026}"


def _renamed(names: dict[str, str]) -> Callable[[str], str]:
    return lambda text: _ID.sub(lambda match: names.get(match[0], match[0]), text)


def _untagged(text: str, tag: str) -> str:
    return text.replace(f"_{tag}", f"_{_NO_TAG}") if tag else text
