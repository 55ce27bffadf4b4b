"""What is put together of pieces that were counted by themselves fits where their sum does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lace_core import contracts
from lace_llm_gateway.adapters.token_counter import BpeTokenCounter
from lace_llm_gateway.domain.calls import CountMethod
from lace_llm_gateway.domain.capabilities import ModelCapability
from lace_llm_gateway.domain.marks import escaped
from lace_llm_gateway.domain.prompts import template_of
from lace_llm_gateway.domain.protection import call_key, protect
from lace_llm_gateway.domain.redaction import KINDS, Placeholders, Policy
from lace_runs.app.documents.fitting import _AROUND, _BETWEEN
from tests.doubles.hostile_texts import KINDS as TEXTS

CASE: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "golden" / "lace_llm_gateway" / "write-section.json").read_text()
)
KNOWN = msgspec.convert(CASE["input"], contracts.WriteInput)
POLICY = Policy(KINDS)
PRIVATE = "Write to jane.doe@example.org or call +44 20 7946 0958, the password: correct-horse. "


def model(name: str) -> ModelCapability:
    method = CountMethod.TOKENIZER if name.startswith("gpt") else CountMethod.BOUND
    return ModelCapability(
        model=name,
        context_tokens=100_000,
        max_output_tokens=1000,
        native_schema=True,
        deterministic=False,
        count_method=method,
    )


def facts(text: str) -> tuple[contracts.Fact, ...]:
    return tuple(msgspec.structs.replace(fact, text=text[at * 7 :] + fact.text) for at, fact in enumerate(KNOWN.facts))


@pytest.mark.parametrize("name", ["gpt-4o", "claude-haiku-4-5", "gemini-3.8-flash", "llama3:8b"])
@pytest.mark.parametrize(
    "text", [TEXTS[kind](300) for kind in sorted(TEXTS)] + [PRIVATE * 3], ids=[*sorted(TEXTS), "private"]
)
def test_the_whole_takes_no_more_than_its_pieces(name: str, text: str) -> None:
    counter, known = BpeTokenCounter(), model(name)
    own = facts(text)

    def prompt(told: tuple[contracts.Fact, ...]) -> int:
        given = msgspec.json.encode(msgspec.structs.replace(KNOWN, facts=told)).decode()
        messages = template_of("lace.write.v1").render(given)
        sent = protect(messages, POLICY, call_key("s", "run_1"), templated=True).messages
        return counter.count(known, sent, contracts.WRITE.output_schema()).tokens

    parts = 0
    for fact in own:
        written = Placeholders(POLICY, "0a1b2c3d").replace(msgspec.json.encode(fact, order="sorted").decode())
        parts += counter.count_text(known, escaped(written)).tokens + _BETWEEN
    assert prompt(own) <= prompt(()) + parts + _AROUND
