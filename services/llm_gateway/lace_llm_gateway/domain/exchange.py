"""What is sent to a provider and what comes back: the same for every provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

# No call takes more tokens, and no name is longer: what says so is broken, and would break whoever adds it up.
_MOST_TOKENS = 100_000_000
_LONGEST_NAME = 200


class FinishReason(StrEnum):
    """Why a model stopped, in one vocabulary for all providers."""

    STOP = "stop"
    LENGTH = "length"
    REFUSAL = "refusal"
    FILTER = "filter"
    TOOL = "tool"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Message:
    """One message of a conversation; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True)
class ProviderRequest:
    """One call: `contract` is empty and `output_schema` None in text mode; temperature in thousandths.

    A schema may come without a contract, as templates and other clients bring their own. With `grounding` the
    provider's own web search is offered to the model; the schema then binds the answer as far as the provider can.
    `stop` are texts at which the answer ends, refused by providers that have no such; `seed` is passed over by them.
    """

    contract: str
    messages: tuple[Message, ...]
    output_schema: Mapping[str, Any] | None
    model: str
    temperature_milli: int
    max_output_tokens: int
    timeout_s: float
    grounding: bool = False
    stop: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True)
class Delta:
    """A piece of the answer's text as it comes; never empty."""

    text: str


@dataclass(frozen=True)
class Search:
    """One use of the provider's web search: what was asked, and the addresses found, as far as it tells."""

    tool: str
    queries: tuple[str, ...] = ()
    results: tuple[str, ...] = ()


@dataclass(frozen=True)
class Citation:
    """A source that the answer names; `start` and `end` are its place in the text in characters, -1 where untold."""

    url: str
    title: str = ""
    start: int = -1
    end: int = -1


@dataclass(frozen=True)
class GroundingEvidence:
    """What the provider itself shows of its searching: searches made, and the citations that came with the answer."""

    searches: tuple[Search, ...] = ()
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True)
class ProviderAnswer:
    """What the provider said, not yet checked; token counts are None where it reports none.

    `input_tokens` holds all that went in, of which `cached_input_tokens` were read from the provider's cache.
    `response_api` names the kind of call (chat_completions, responses, messages, generate_content, compose);
    `grounding` is None where the answer shows no use of a search tool at all.
    """

    text: str
    finish_reason: FinishReason
    resolved_model: str
    answered_model: str
    fingerprint: str = ""
    response_id: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int = 0
    response_api: str = ""
    grounding: GroundingEvidence | None = None

    def credible(self) -> ProviderAnswer:
        """The answer without token counts that cannot be (then as if none were told), and with names cut short."""
        tokens_in, tokens_out = credible_tokens(self.input_tokens), credible_tokens(self.output_tokens)
        cached = min(max(0, self.cached_input_tokens), tokens_in or 0)
        told = (self.answered_model, self.fingerprint, self.response_id)
        names = tuple(map(credible_name, told))
        counts = (self.input_tokens, self.output_tokens, self.cached_input_tokens)
        if names == told and counts == (tokens_in, tokens_out, cached):
            return self
        return replace(
            self,
            answered_model=names[0],
            fingerprint=names[1],
            response_id=names[2],
            input_tokens=tokens_in,
            output_tokens=tokens_out,
            cached_input_tokens=cached,
        )


def credible_name(told: str) -> str:
    """What a provider calls something, as any database takes it."""
    return told[:_LONGEST_NAME].replace("\0", "\ufffd")


def credible_tokens(reported: int | None) -> int | None:
    """What a provider counted; None for a number that no call can have."""
    return reported if reported is not None and 0 <= reported <= _MOST_TOKENS else None
