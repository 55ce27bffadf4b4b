"""A model behind OpenAI's wire that answers every contract by rule, in words of its own, and with mishaps."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from lace_core import contracts
from lace_llm_gateway.adapters.extractive.request import input_of
from lace_llm_gateway.domain.exchange import Message
from tests.doubles.model_rules import ModelRules
from tests.doubles.openai_server import Answer, Body, Reply, error, text

_NAMES = {name.replace(".", "_"): contract for name, contract in contracts.CONTRACTS.items()}
_CHARACTERS_A_TOKEN = 4

Mishap = Callable[[str], Reply]
"""What comes back in place of a good answer, made of what the good answer would have been."""


@dataclass
class WritingModel(ModelRules):
    """Set it as a server's `otherwise`. `reworded` gives facts in other words, `false` what is said beside a fact."""

    reworded: dict[str, str] = field(default_factory=dict)
    false: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, float]] = field(default_factory=list)
    """Each contract that was asked for, and when (monotonic seconds)."""
    _mishaps: dict[str, deque[Mishap]] = field(default_factory=lambda: defaultdict(deque))

    def will(self, contract: contracts.Contract, *mishaps: Mishap) -> None:
        """What goes wrong the next times that a contract is asked for."""
        self._mishaps[contract.name].extend(mishaps)

    def __call__(self, body: Body) -> Answer:
        """Answers a request by the schema that it names and the input that its messages hold."""
        if "response_format" not in body:
            return text("ready")(body)
        contract = _NAMES[body["response_format"]["json_schema"]["name"]]
        self.asked.append((contract.name, time.monotonic()))
        messages = [Message(message["role"], message["content"]) for message in body["messages"]]
        content = self.answer(contract, input_of(contract.name, messages))
        if self._mishaps[contract.name]:
            return self._mishaps[contract.name].popleft()(content)(body)
        return text(content, usage=_usage(messages, content))(body)

    def sentences(self, facts: Sequence[contracts.Fact]) -> Iterator[contracts.WrittenSentence]:
        for fact in facts:
            yield contracts.WrittenSentence(text=self.reworded.get(fact.text, fact.text), fact_ids=(fact.fact_id,))
            if fact.text in self.false:
                yield contracts.WrittenSentence(text=self.false[fact.text], fact_ids=(fact.fact_id,))


def busy(seconds: int, message: str) -> Mishap:
    """429 with the time to wait."""
    return lambda _: error(429, message, "rate_limit_exceeded", {"retry-after": str(seconds)})


def cut(content: str) -> Reply:
    """Half of the answer, as it ends at the limit of its tokens."""
    return text(content[: len(content) // 2], finish_reason="length")


def broken_off(content: str) -> Reply:
    """Half of the answer as if it were whole, as some servers pass it on."""
    return text(content[: len(content) // 2])


def _usage(messages: Sequence[Message], content: str) -> dict[str, int]:
    asked = sum(len(message.content) for message in messages) // _CHARACTERS_A_TOKEN
    answered = len(content) // _CHARACTERS_A_TOKEN
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
