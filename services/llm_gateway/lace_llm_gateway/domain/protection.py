"""What stands between a rendered prompt and a provider: the nonce around data, placeholders, and the way back."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import orjson

from lace_core.canonical import canonical_json
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.domain.exchange import Message
from lace_llm_gateway.domain.leaks import refuse_leaks
from lace_llm_gateway.domain.marks import MARKED, escaped, nonce_of, sealed
from lace_llm_gateway.domain.redaction import Placeholders, Policy, finds

_TAG_DIGITS = 8
_TOLD = (
    "\n\nWords of the form REDACTED_KIND_1_{tag} stand for text that is not shown to you. Where you need one, copy it "
    "exactly as it is."
)


@dataclass(frozen=True)
class Protected:
    """Messages as they are sent, and what is needed to take their answer back; never logged and never kept.

    `nonces` are those of the data that was marked. `originals` gives texts by placeholder.
    """

    messages: tuple[Message, ...]
    nonces: tuple[str, ...] = field(default=(), repr=False)
    originals: Mapping[str, str] = field(default_factory=dict, repr=False)
    tag: str = field(default="", repr=False)

    def restore(self, answer: str, *, as_json: bool = False) -> str:
        """The answer with every placeholder as what it stands for, within the strings of JSON where it is JSON.

        Raises LaceError PROVIDER_OUTPUT_INVALID where the model changed a placeholder, so that nobody can tell what
        it stands for.
        """
        restored = _put_back(answer, self.originals, as_json)
        if self.originals and self.tag in restored.casefold():
            raise LaceError(
                Reason.PROVIDER_OUTPUT_INVALID, "The answer holds a placeholder that was never given.", retryable=True
            )
        return restored

    def restoring(self, *, as_json: bool = False) -> Restoring:
        """The same for an answer that comes in pieces."""
        return Restoring(self.originals, as_json)

    def refuse_leaks(self, answer: str) -> None:
        """Raises LaceError PROVIDER_OUTPUT_LEAKED for an answer, before it is restored, that tells what it must not.

        For prompts made of templates: who sends messages of his own may have his own words back.
        """
        instructions = [MARKED.sub("", message.content) for message in self.messages if message.role == "system"]
        given = [message.content for message in self.messages if message.role != "system"]
        refuse_leaks(answer, nonces=self.nonces, instructions=instructions, given=given)


class Restoring:
    """Takes an answer piece by piece; what may be the beginning of a placeholder waits for the rest."""

    def __init__(self, originals: Mapping[str, str], as_json: bool) -> None:
        self._originals = originals
        self._as_json = as_json
        self._longest = max(map(len, originals), default=0)
        self._held = ""

    def feed(self, piece: str) -> str:
        """What can be passed on now; may be empty."""
        if not self._longest:
            return piece
        text = _put_back(self._held + piece, self._originals, self._as_json)
        keep = next((n for n in range(min(self._longest - 1, len(text)), 0, -1) if self._begins(text[-n:])), 0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def end(self) -> str:
        """What was still held."""
        held, self._held = self._held, ""
        return held

    def _begins(self, end: str) -> bool:
        return any(placeholder.startswith(end) for placeholder in self._originals)


def call_key(secret: str, *identity: str) -> bytes:
    """The key of one call: HMAC-SHA256 of what names it under the installation's secret.

    A step that is repeated has the same identity, so its prompt is the same to the byte; nobody without the secret
    can tell what nonce a text of his will stand between.
    """
    return hmac.digest(secret.encode(), canonical_json(["lace-call", *identity]), "sha256")


def is_clear(messages: Sequence[Message], policy: Policy) -> bool:
    """Whether the messages hold nothing that the policy finds, so that those without data of a template go as they are.

    Raises LaceError SETTING_INVALID for a policy that cannot be followed.
    """
    return not any(finds(policy, message.content) for message in messages)


def protect(
    messages: Sequence[Message], policy: Policy, key: bytes, *, templated: bool, packaged: bool = False
) -> Protected:
    """The messages as they may leave the installation.

    With `templated`, the data that a template marked gets the call's own nonce. What the policy finds is replaced,
    in data and around it. The instructions of `packaged` prompts alone stay as they are: they come with the program and
    hold nobody's data, where those of a tenant's template may hold anything.
    Raises LaceError SETTING_INVALID for a policy that cannot be followed.
    """
    tag = hmac.digest(key, b"placeholders", "sha256").hex()[:_TAG_DIGITS]
    placeholders = Placeholders(policy, tag)
    nonces = _Nonces(key)
    done = [
        message if packaged and message.role == "system" else _protected(message, placeholders, nonces, templated)
        for message in messages
    ]
    if placeholders.originals:
        done = _told(done, tag)
    return Protected(tuple(done), tuple(nonces.made), placeholders.originals, tag if placeholders.originals else "")


class _Nonces:
    """Makes the nonces of a call and remembers them."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.made: list[str] = []

    def seal(self, escaped_json: str) -> str:
        self.made.append(nonce_of(self._key, escaped_json))
        return sealed(self.made[-1], escaped_json)


def _protected(message: Message, placeholders: Placeholders, nonces: _Nonces, templated: bool) -> Message:
    if not templated:
        return replace(message, content=placeholders.replace(message.content))
    pieces: list[str] = []
    end = 0
    for found in MARKED.finditer(message.content):
        around = placeholders.replace(message.content[end : found.start()])
        pieces += (around, nonces.seal(_redacted(found[2], placeholders)))
        end = found.end()
    return replace(message, content="".join((*pieces, placeholders.replace(message.content[end:]))))


def _redacted(escaped_json: str, placeholders: Placeholders) -> str:
    """The data with placeholders; looked for in its strings, where a line break is one and not a letter n."""
    if not placeholders.policy:
        return escaped_json
    texts: list[str] = []
    try:
        _collect(orjson.loads(escaped_json), texts)
    except orjson.JSONDecodeError:  # a template's own words that look like marked data
        return placeholders.replace(escaped_json)
    if not finds(placeholders.policy, "\n\n".join(texts)):
        return escaped_json
    value = json.loads(escaped_json, parse_float=Decimal, parse_int=Decimal)  # numbers stay as they are
    return escaped(canonical_json(placeholders.replace_in(value)).decode())


def _collect(value: Any, texts: list[str]) -> None:
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, texts)
    elif isinstance(value, list):
        for item in value:
            _collect(item, texts)


def _told(messages: list[Message], tag: str) -> list[Message]:
    """Says what placeholders are, in the instructions where there are any."""
    note = _TOLD.format(tag=tag)
    for at, message in enumerate(messages):
        if message.role == "system":
            messages[at] = replace(message, content=message.content + note)
            return messages
    return [Message("system", note.strip()), *messages]


def _put_back(text: str, originals: Mapping[str, str], as_json: bool) -> str:
    for placeholder, original in originals.items():
        if placeholder in text:
            text = text.replace(placeholder, json.dumps(original, ensure_ascii=False)[1:-1] if as_json else original)
    return text
