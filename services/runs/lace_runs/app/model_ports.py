"""What runs need of the gateway to models, as protocols."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lace_core.contracts import Contract


@dataclass(frozen=True)
class ModelAnswer:
    """A model's answer under a contract, and the call as the ledger has it (REST JSON form).

    Prompt and answer are kept whole at their addresses, which are empty where they could not be; `redaction` says how
    much the call's samples show.
    """

    output: str
    call: Mapping[str, Any]
    prompt_uri: str = ""
    output_uri: str = ""
    redaction: str = "sample"


@dataclass(frozen=True)
class PromptTokens:
    """What a prompt takes, what it may take, and how that was counted (tokenizer or bound)."""

    tokens: int
    limit: int
    method: str


@dataclass(frozen=True)
class TokenCounts:
    """The counts of prompts, and of pieces of JSON by themselves, in the order in which they were asked for."""

    prompts: tuple[PromptTokens, ...]
    parts: tuple[int, ...]


class Models(Protocol):
    """Calls models under a contract."""

    async def count(
        self, prompts: Sequence[tuple[Contract, str]], parts: Sequence[str], settings: Mapping[str, Any]
    ) -> TokenCounts:
        """What inputs (JSON) of contracts would take with the model in force, and pieces of them, in one question.

        Raises LaceError as `generate` does before it calls anybody.
        """

    async def generate(
        self,
        contract: Contract,
        input_json: str,
        *,
        run_id: str,
        step_id: str,
        attempt: int,
        settings: Mapping[str, Any],
        progress: Callable[[int], None],
    ) -> ModelAnswer:
        """The answer; while a long one comes, `progress` is told now and then how many tokens have come.

        Raises LaceError PROVIDER_* and the like.
        """
