"""What sources speak of is shortened until the model in force can be told, and not at all where it can be anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from lace_core import contracts
from lace_runs.app.documents.fitting import fitted_outlines
from lace_runs.app.model_ports import ModelAnswer, PromptTokens, TokenCounts

ASKED = contracts.IntentInput(title="The bridge", instructions="", language="en", sources=())
OUTLINES = [
    contracts.SourceOutline(
        source_id=f"src_{number}",
        filename=f"{number}.md",
        title="Bridge",
        sections=tuple(
            contracts.SourceSection(
                heading_path=("Cost", f"Part {at}"), words=100, tables=0, lead="It cost much. " * 20
            )
            for at in range(20)
        ),
    )
    for number in range(3)
]


@dataclass
class Counter:
    """Takes so many tokens for a byte."""

    limit: int
    share: float = 1.0
    asked: int = 0

    async def count(
        self, prompts: Sequence[tuple[contracts.Contract, str]], parts: Sequence[str], settings: Mapping[str, Any]
    ) -> TokenCounts:
        self.asked += 1
        found = tuple(PromptTokens(300, self.limit, "bound") for _ in prompts)
        return TokenCounts(found, tuple(int(len(part.encode()) * self.share) for part in parts))

    async def generate(self, *args: Any, **more: Any) -> ModelAnswer:
        raise NotImplementedError


def size(outlines: Sequence[contracts.SourceOutline]) -> int:
    return sum(len(msgspec.json.encode(outline)) for outline in outlines)


async def test_what_is_short_needs_no_question() -> None:
    counter = Counter(limit=1_000_000)
    settings = {"llm.context_tokens": 24_000}
    assert await fitted_outlines(counter, settings, contracts.INTENT, ASKED, OUTLINES[:1]) == tuple(OUTLINES[:1])
    assert counter.asked == 0


@pytest.mark.parametrize("share", [0.25, 0.6, 1.0])
@pytest.mark.parametrize("limit", [2500, 6000, 12_000])
async def test_what_is_told_fits_whatever_a_byte_comes_to(share: float, limit: int) -> None:
    counter = Counter(limit, share)
    settings = {"llm.context_tokens": limit}
    told = await fitted_outlines(counter, settings, contracts.INTENT, ASKED, OUTLINES)
    assert [outline.source_id for outline in told] == ["src_0", "src_1", "src_2"]
    assert size(told) * share <= limit - 300 - 400
    assert 1 <= counter.asked <= 6
    assert told == await fitted_outlines(Counter(limit, share), settings, contracts.INTENT, ASKED, OUTLINES)


async def test_nothing_is_shortened_where_it_fits_by_its_count() -> None:
    counter = Counter(limit=24_000, share=0.2)
    told = await fitted_outlines(counter, {"llm.context_tokens": 24_000}, contracts.INTENT, ASKED, OUTLINES)
    assert (told, counter.asked) == (tuple(OUTLINES), 1)
