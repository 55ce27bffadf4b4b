"""One model call as the ledger keeps it, from its intent to its settlement."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from lace_llm_gateway.domain.exchange import FinishReason, GroundingEvidence
from lace_llm_gateway.domain.routing import Tried


class CallState(StrEnum):
    """Life of a call: `pending` is written before the provider is called, so that no paid call goes unrecorded.

    A pending row that was never settled belongs to a process that died; the call that takes its place marks it
    `abandoned`.
    """

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"


class CountMethod(StrEnum):
    """How tokens were counted."""

    PROVIDER = "provider"
    TOKENIZER = "tokenizer"
    BOUND = "bound"


@dataclass(frozen=True)
class Counted:
    """A number of tokens and how it came about."""

    tokens: int
    method: CountMethod


@dataclass(frozen=True)
class CallKey:
    """What makes two calls the same: a step that is repeated asks again with the same key.

    Empty `run_id` is a call outside runs, which is never the same as another. `input_hash` is the SHA-256 of the
    rendered messages.
    """

    run_id: str
    step_id: str
    attempt: int
    contract: str
    provider: str
    model: str
    temperature_milli: int
    input_hash: str


@dataclass(frozen=True)
class Settlement:
    """How a call ended. Cost is in millionths of a US dollar, duration in milliseconds.

    `trail` holds the tries at providers in order; `hedged` is set where a second request went out beside a slow one.
    """

    state: CallState
    output: str = ""
    output_hash: str = ""
    output_sample: str = ""
    finish_reason: FinishReason | None = None
    resolved_model: str = ""
    answered_model: str = ""
    fingerprint: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    count_method: CountMethod | None = None
    cost_micro_usd: int = 0
    tries: int = 0
    repairs: int = 0
    duration_ms: int = 0
    error_code: str = ""
    error_message: str = ""
    response_api: str = ""
    grounding: GroundingEvidence | None = None
    trail: tuple[Tried, ...] = ()
    hedged: bool = False


@dataclass(frozen=True)
class Held:
    """What a call reserved of a budget, and from which lease; cost in millionths of a US dollar."""

    lease_id: str = ""
    tokens: int = 0
    micro_usd: int = 0


@dataclass(frozen=True)
class Kept:
    """Where a call's prompt and answer are kept whole, empty where they are not; how much its samples show."""

    prompt_uri: str = ""
    output_uri: str = ""
    redaction: str = ""


@dataclass(frozen=True)
class Call:
    """A call in the ledger; `settlement` is None while it is under way.

    The fields named template_ tell the prompt's stored template and its hash. `kept` and `held`
    are known to who made it alone.
    """

    call_id: str
    key: CallKey
    template_hash: str
    prompt_sample: str
    started_at: datetime
    settlement: Settlement | None = None
    kept: Kept = field(default=Kept(), compare=False)
    principal_id: str = ""
    template_id: str = ""
    template_version: str = ""
    trace_id: str = ""
    held: Held = field(default=Held(), compare=False)


# Outcomes that were paid for and would not be another the next time: a repeated step is told the same again.
LASTING_FAILURES = frozenset(
    {"PROVIDER_OUTPUT_INVALID", "PROVIDER_OUTPUT_LEAKED", "PROVIDER_OUTPUT_TRUNCATED", "PROVIDER_REFUSED"}
)


def replayable(settlement: Settlement | None) -> bool:
    """Whether a call's outcome is given again to whoever asks the same with the same attempt of the same step."""
    if settlement is None:
        return False
    if settlement.state is CallState.SUCCEEDED:
        return True
    return settlement.state is CallState.FAILED and settlement.error_code in LASTING_FAILURES
