"""What is sent to a provider and what comes back: the same for every provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


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
    """One call: `contract` is empty and `output_schema` None in text mode; temperature in thousandths."""

    contract: str
    messages: tuple[Message, ...]
    output_schema: Mapping[str, Any] | None
    model: str
    temperature_milli: int
    max_output_tokens: int
    timeout_s: float


@dataclass(frozen=True)
class ProviderAnswer:
    """What the provider said, not yet checked; token counts are None where it reports none."""

    text: str
    finish_reason: FinishReason
    resolved_model: str
    answered_model: str
    fingerprint: str = ""
    response_id: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
