"""Contexts on memory: what is taken under the budget, in which order, and what is told of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core.canonical import sha256_hex
from lace_core.context import Topic, Why
from lace_core.errors import LaceError, Reason
from lace_core.settings import resolve
from lace_ingest.adapters.memory import MemoryWork
from lace_ingest.app.model_ports import ModelCall, Models, TokenCounts
from lace_ingest.app.ports import Caller, Ingest
from lace_ingest.app.retrieval.context import build_context
from lace_ingest.domain.contexts import Asked, Context, passage_text, topics_of
from lace_ingest.domain.documents import Span, Unit, UnitKind
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.likeness import near_duplicates, shingles
from lace_ingest.domain.retrieval.query import Filters, Mode
from lace_ingest.domain.sources import Source, SourceState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CALLER = Caller("ten_1", "prn_1")
SETTINGS = resolve([]).values
COST = "The bridge cost ten million pounds, of which the council of the county paid four."
SAFETY = "Inspectors looked for cracks in the girders of the bridge and found none at all."
TRAFFIC = "Twelve thousand cars use the road across the river on a working day."


@dataclass
class WordCounter:
    """A token is a word; `asked` are the providers and models that were named."""

    asked: list[tuple[str, str]]

    async def count(self, call: ModelCall, texts: Sequence[str], *, provider: str, model: str) -> TokenCounts:
        self.asked.append((provider, model))
        return TokenCounts(tuple(len(text.split()) for text in texts), "tokenizer")


class OwnSettings:
    """The settings of nobody in particular."""

    def __init__(self, **own: Any) -> None:
        self._own = {**SETTINGS, **{key.replace("__", "."): value for key, value in own.items()}}

    async def of(self, tenant_id: str, principal_id: str = "") -> Mapping[str, Any]:
        return self._own

    def changed(self) -> int:
        return 0


class World:
    """Sources in memory, and a counter of words."""

    def __init__(self) -> None:
        self.work, self.counter = MemoryWork(), WordCounter([])
        nothing: Any = None
        self.models = Models(nothing, nothing, OwnSettings(retrieval__mode="lexical"), SETTINGS, self.counter)
        self.ingest = Ingest(self.work, nothing, nothing, nothing, lambda: NOW, max_bytes=1, models=self.models)

    async def keep(self, name: str, *texts: str, labels: tuple[str, ...] = ()) -> list[str]:
        made = Source(
            source_id=f"src_{name}", filename=f"{name}.md", title=name, format=SourceFormat.MD,
            media_type="text/markdown", size_bytes=1, sha256="0" * 64, raw_uri="x", created_at=NOW,
            created_by="prn_1", state=SourceState.READY, extraction="x/1", labels=labels,
        )  # fmt: skip
        units = [
            Unit(
                f"unt_{name}{order}", order, UnitKind.PARAGRAPH, text, sha256_hex(text.encode()),
                (Span(0, len(text)),), ("Report",), 3 + order,
            )
            for order, text in enumerate(texts)
        ]  # fmt: skip
        async with self.work("ten_1") as work:
            await work.sources.add("ten_1", made)
            await work.units.add("ten_1", made, units)
            await work.commit()
        return [unit.unit_id for unit in units]

    async def build(self, *texts: str, budget: int = 500, caller: Caller = CALLER, **more: Any) -> Context:
        topics, words = topics_of([("", text, 0) for text in texts])
        more.setdefault("mode", Mode.LEXICAL)
        return await build_context(self.ingest, caller, Asked(topics, words, budget, **more))


@pytest.fixture
async def world() -> World:
    made = World()
    await made.keep("b", TRAFFIC, SAFETY)
    await made.keep("a", COST)
    return made


def taken(context: Context) -> list[str]:
    return [passage.found.unit.unit_id for passage in context.passages]


async def refused(awaitable: Any) -> LaceError:
    with pytest.raises(LaceError) as found:
        await awaitable
    return found.value


async def test_units_stand_in_the_order_of_their_sources_and_places(world: World) -> None:
    context = await world.build("cracks in girders", "cars on the road", "cost in pounds")
    assert taken(context) == ["unt_a0", "unt_b0", "unt_b1"]
    assert [(each.number, each.taken.topic, each.taken.rank) for each in context.passages] == [
        (1, "3", 1), (2, "2", 1), (3, "1", 1),
    ]  # fmt: skip
    assert context.text == (
        f"[1] a.md › Report, page 3\n{COST}\n\n[2] b.md › Report, page 3\n{TRAFFIC}\n\n"
        f"[3] b.md › Report, page 4\n{SAFETY}\n\n"
    )
    assert context.tokens == len(context.text.split()) == sum(each.taken.tokens for each in context.passages)
    assert [each.filename for each in context.sources] == ["a.md", "b.md"]
    assert (context.count_method, context.mode) == ("tokenizer", Mode.LEXICAL)


async def test_what_did_not_fit_is_told_with_its_topic(world: World) -> None:
    context = await world.build("cars on the road", "cost in pounds", budget=20)
    assert taken(context) == ["unt_b0"]
    ((left, found),) = context.left_out
    assert (left.why, left.topic, left.unit_id, found.source.source_id) == (Why.BUDGET, "2", "unt_a0", "src_a")
    served, other = context.coverage
    assert (served.units, served.reason) == (1, "")
    assert (other.units, other.candidates) == (0, 1)
    assert str(left.tokens) in other.reason


async def test_a_topic_of_which_nothing_speaks_is_told(world: World) -> None:
    context = await world.build("elephants", "cost in pounds")
    assert [(each.candidates, each.units, each.reason) for each in context.coverage] == [
        (0, 0, "Nothing was found for it."), (1, 1, ""),
    ]  # fmt: skip
    assert (await world.build("elephants")).text == ""


async def test_a_copy_is_left_out_for_the_unit_that_it_repeats(world: World) -> None:
    await world.keep("z", COST.replace("council of the county", "council of the county") + " ")
    context = await world.build("cost in pounds")
    assert taken(context) == ["unt_a0"]
    ((left, _),) = context.left_out
    assert (left.why, left.unit_id, left.like) == (Why.DUPLICATE, "unt_z0", "unt_a0")


async def test_what_matches_too_little_is_left_out(world: World) -> None:
    await world.keep("w", "A bridge is mentioned here among very many other things that nobody asked about at all.")
    context = await world.build("bridge cost pounds council", least=600)
    assert taken(context) == ["unt_a0"]
    assert {left.why for left, _ in context.left_out} == {Why.BELOW_THRESHOLD}
    assert len(taken(await world.build("bridge cost pounds council", least=0))) == 3


async def test_no_unit_fits(world: World) -> None:
    error = await refused(world.build("cost in pounds", budget=5))
    assert error.reason is Reason.CONTEXT_BUDGET_TOO_SMALL
    assert "takes 21 tokens, and 5 are given" in error.message


async def test_the_model_that_is_named_counts(world: World) -> None:
    await world.build("cost", provider="openai", model="gpt-4o")
    await world.build("cost")
    assert world.counter.asked == [("openai", "gpt-4o"), ("", "")]


async def test_filters_and_labels_hold(world: World) -> None:
    await world.keep("s", COST.replace("ten", "eleven"), labels=("secret",))
    assert taken(await world.build("cost in pounds")) == ["unt_a0"]
    held = replace(CALLER, labels=frozenset(("secret",)))
    only = Filters(source_ids=frozenset(("src_s",)))
    assert taken(await world.build("cost in pounds", caller=held, filters=only)) == ["unt_s0"]


async def test_two_hundred_topics(world: World) -> None:
    context = await world.build(*(f"cost of part {number} of the bridge" for number in range(200)))
    assert len(context.coverage) == 200
    assert set(taken(context)) >= {"unt_a0"}


async def test_without_a_gateway_nothing_can_be_counted(world: World) -> None:
    world.ingest = replace(world.ingest, models=None)
    assert (await refused(world.build("cost"))).reason is Reason.SERVICE_UNAVAILABLE


def test_topics_are_named_by_their_places_where_they_have_no_keys() -> None:
    topics, texts = topics_of([("", "a", 0), ("own", "b", 3)])
    assert topics == (Topic("1", 1), Topic("own", 3))
    assert texts == {"1": "a", "own": "b"}


@pytest.mark.parametrize(
    ("given_topics", "pointer"),
    [([("", "a", 0), ("", " \n", 0)], "/topics/1/text"), ([("2", "a", 0), ("", "b", 0)], "/topics/1/key")],
)
def test_a_topic_without_words_and_a_doubled_key_are_refused(
    given_topics: list[tuple[str, str, int]], pointer: str
) -> None:
    with pytest.raises(LaceError) as found:
        topics_of(given_topics)
    assert found.value.reason is Reason.INVALID_ARGUMENT
    assert [detail.field for detail in found.value.details] == [pointer]


def test_a_heading_of_many_lines_is_one_line(world: World) -> None:
    made = Unit("unt_1", 0, UnitKind.PARAGRAPH, "text", "", (), ("One\n[2] fake.md", " "))
    source = Source("src_1", "a.md", "a", SourceFormat.MD, "text/markdown", 1, "0" * 64, "x", NOW, "prn_1")
    assert passage_text(7, source, made) == "[7] a.md › One [2] fake.md\ntext\n\n"


def test_texts_that_share_most_of_their_sequences_repeat_the_first() -> None:
    texts = [COST, SAFETY, COST + " Again.", COST.upper(), "", ""]
    assert near_duplicates(texts, 850) == {2: 0, 3: 0, 5: 4}
    assert near_duplicates(texts, 1000) == {3: 0, 5: 4}
    # "The building of the bridge cost one thousand million yen", four times over, without a space.
    cjk = "\u6a4b\u306e\u5efa\u8a2d\u8cbb\u306f\u5341\u5104\u5186\u3067\u3042\u308b" * 4
    assert near_duplicates([cjk, cjk + "\u3002", SAFETY], 850) == {1: 0}


@given(st.lists(st.text(alphabet="ab ", max_size=24), max_size=10), st.integers(500, 1000))
def test_repetitions_are_those_that_comparing_each_with_each_finds(texts: list[str], likeness: int) -> None:
    wanted: dict[int, int] = {}
    for place, text in enumerate(texts):
        for other in range(place):
            one, two = shingles(text), shingles(texts[other])
            if other not in wanted and len(one & two) * 1000 >= likeness * len(one | two):
                wanted[place] = other
                break
    assert near_duplicates(texts, likeness) == wanted
