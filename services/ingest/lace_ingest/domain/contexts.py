"""A context: units in the order of a prompt, under the lines that say where they stand, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lace_core.context import LeftOut, Taken, Topic
from lace_core.errors import Detail, LaceError, Reason
from lace_ingest.domain.documents import Unit
from lace_ingest.domain.retrieval.query import Filters, Mode
from lace_ingest.domain.sources import Source


@dataclass(frozen=True)
class Asked:
    """What a context is to cover: topics by key with their words and weights, within `budget` tokens of the model.

    `depth` units are looked at for each topic, and those below `least` thousandths of its best stay out; a None leaves
    either to the settings. Provider and model are empty for those of the settings.
    """

    topics: tuple[Topic, ...]
    texts: Mapping[str, str]
    budget: int
    provider: str = ""
    model: str = ""
    filters: Filters = field(default_factory=Filters)
    mode: Mode = Mode.AUTO
    depth: int | None = None
    least: int | None = None


@dataclass(frozen=True)
class Located:
    """A unit that was found, its source, and how it matches topics: (score as the search gave it, method) by topic."""

    unit: Unit
    source: Source
    scores: Mapping[str, tuple[str, str]]
    relevance: Mapping[str, int]


@dataclass(frozen=True)
class Passage:
    """A unit of the context: its number, why it was taken, and its text under the line that places it."""

    number: int
    found: Located
    taken: Taken
    text: str


@dataclass(frozen=True)
class Covered:
    """How far a topic is covered: units found for it, units of the context that match it, why there is none."""

    key: str
    candidates: int
    units: int
    reason: str


@dataclass(frozen=True)
class Context:
    """What was built; `left_out` stands best first, `tokens` are those of all passages."""

    passages: tuple[Passage, ...]
    left_out: tuple[tuple[LeftOut, Located], ...]
    coverage: tuple[Covered, ...]
    tokens: int
    budget: int
    count_method: str
    mode: Mode
    mode_reason: str

    @property
    def text(self) -> str:
        """The context as it goes into a prompt."""
        return "".join(passage.text for passage in self.passages)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources of all units that it names, each once."""
        named = (*(each.found for each in self.passages), *(found for _, found in self.left_out))
        return tuple({each.source.source_id: each.source for each in named}.values())


def topics_of(given: Sequence[tuple[str, str, int]]) -> tuple[tuple[Topic, ...], dict[str, str]]:
    """Topics out of (key, text, weight), and their words by key. Raises INVALID_ARGUMENT for a blank or doubled one."""
    topics: list[Topic] = []
    texts: dict[str, str] = {}
    for place, (key, text, weight) in enumerate(given):
        own = key or str(place + 1)
        if not text.strip():
            raise _invalid(f"/topics/{place}/text", f"topics/{place}/text: has no words.")
        if own in texts:
            raise _invalid(f"/topics/{place}/key", f"topics/{place}/key: {own[:64]} is another topic's key already.")
        topics.append(Topic(own, weight or 1))
        texts[own] = text
    return tuple(topics), texts


def passage_text(number: int, source: Source, unit: Unit) -> str:
    """A unit as a prompt shows it: a line with its number and place, its text, an empty line."""
    place = " › ".join(_line(part) for part in (source.filename, *unit.heading_path) if part.strip())
    page = f", page {unit.page}" if unit.page else ""
    return f"[{number}] {place}{page}\n{unit.text.strip()}\n\n"


def coverage_of(
    topics: Sequence[Topic], found: Mapping[str, int], covered: Mapping[str, int], smallest: Mapping[str, int]
) -> tuple[Covered, ...]:
    """How far each topic is covered; `smallest` holds the tokens of its smallest unit that matches well enough."""
    told: list[Covered] = []
    for topic in topics:
        key = topic.key
        if covered[key]:
            reason = ""
        elif key in smallest:
            reason = f"Its smallest unit takes {smallest[key]} tokens, for which there is no room beside the others."
        else:
            reason = "Nothing was found for it."
        told.append(Covered(key, found.get(key, 0), covered[key], reason))
    return tuple(told)


def too_small(smallest: int, budget: int) -> LaceError:
    """Not one unit fits."""
    message = f"The smallest unit found takes {smallest} tokens, and {budget} are given; give more."
    return LaceError(Reason.CONTEXT_BUDGET_TOO_SMALL, message)


def _line(text: str) -> str:
    return " ".join(text.split())


def _invalid(pointer: str, message: str) -> LaceError:
    return LaceError(Reason.INVALID_ARGUMENT, message, details=[Detail(pointer, message)])
