"""Answers plain messages: the most central sentences of what the user wrote last."""

from __future__ import annotations

import re
from collections.abc import Sequence

import orjson

from lace_core.contracts import Fact, Section
from lace_llm_gateway.adapters.extractive.material import gather
from lace_llm_gateway.adapters.extractive.select import choose
from lace_llm_gateway.domain.exchange import Message
from lace_llm_gateway.domain.marks import MARKED

_SENTENCE = re.compile(r"[^.!?\u3002\uff01\uff1f\n]+(?:[.!?]+(?=\s|$)|[\u3002\uff01\uff1f]+|\n|$)")
_WORDS = 120
_MOST_SENTENCES = 2000


def answer_plainly(messages: Sequence[Message]) -> str:
    """A few sentences of the last user message, verbatim; what is too short to choose from comes back as it is."""
    said = next((message.content for message in reversed(messages) if message.role == "user"), "")
    text = MARKED.sub(_data, said).strip()
    found = [match.group().strip() for match in _SENTENCE.finditer(text)]
    facts = [
        Fact(
            fact_id=f"F{at}",
            kind="sentence",
            text=sentence,
            source="message",
            heading_path=(),
            page=0,
            unit="message",
            position=at,
            score=0,
        )
        for at, sentence in enumerate(filter(None, found[:_MOST_SENTENCES]))
    ]
    material = gather(facts, Section(title="", brief="", path=(), depth=1))
    chosen = choose(material.candidates, _WORDS)
    return " ".join(candidate.fact.text for candidate in chosen) or text[:1000]


def _data(marked: re.Match[str]) -> str:
    """What stands between marks, without them: they are the call's own, and no answer may show them."""
    value = orjson.loads(marked[2])
    return value if isinstance(value, str) else marked[2]
