"""The text of a document as paragraphs, and what differs between two of them: by paragraphs, then words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lace_ingest.domain.diffs.changes import MIRRORED, Change, WordChange, after_of
from lace_ingest.domain.diffs.pairing import paired
from lace_ingest.domain.diffs.sequences import Stretch, align
from lace_ingest.domain.diffs.tokens import Vocabulary, mirrored, words_between
from lace_ingest.domain.documents import Unit, UnitKind

HEADING = "heading"
LEAST_ALIKE = 400
"""Per mille of two paragraphs' words that are the same, from which on the one is the other, rewritten."""

_LONGEST_JOINED = 20_000
_BY_LINES = (UnitKind.LIST, UnitKind.TABLE, UnitKind.CODE)


@dataclass(frozen=True)
class Paragraph:
    """A piece of a document's text: prose, a heading, list item, table row or line of code.

    `kind` is heading, or the kind of the unit; `unit_id` is the unit that holds it, of a heading the first below it.
    """

    kind: str
    text: str
    unit_id: str = ""


@dataclass(frozen=True)
class Passage:
    """What became of a paragraph; of both sides the paragraph and its place, None and -1 where it is not.

    An unchanged passage that is `skipped` stands for so many paragraphs, of which it shows none.
    """

    change: Change
    before: Paragraph | None = None
    after: Paragraph | None = None
    before_place: int = -1
    after_place: int = -1
    words: tuple[WordChange, ...] = ()
    skipped: int = 0


def paragraphs_of(units: Sequence[Unit], title: str = "") -> list[Paragraph]:
    """The text of units in reading order, below the document's title where it has one.

    The parts of a paragraph that was too long for one unit are one again.
    """
    found = [Paragraph(HEADING, title, units[0].unit_id if units else "")] if title else []
    path: tuple[str, ...] = ()
    previous: Unit | None = None
    for unit in units:
        found.extend(_headings(path, unit))
        if previous is not None and _goes_on(previous, unit) and len(found[-1].text) < _LONGEST_JOINED:
            found[-1] = replace(found[-1], text=f"{found[-1].text} {unit.text}")
        else:
            lines = unit.text.split("\n") if unit.kind in _BY_LINES else [unit.text]
            found.extend(Paragraph(unit.kind.value, line, unit.unit_id) for line in lines)
        path, previous = unit.heading_path, unit
    return found


def diff_documents(before: Sequence[Paragraph], after: Sequence[Paragraph]) -> list[Passage]:
    """Every paragraph of both sides, once, in the order of the text; what is gone stands before what came.

    The way back is the same with the names exchanged.
    """
    old, new = _keys(before), _keys(after)
    if old > new:
        return [_back(passage) for passage in _ordered(diff_documents(after, before))]
    vocabulary = Vocabulary()
    passages: list[Passage] = []
    for stretch in align(old, new):
        found = _same if stretch.equal else _gap
        passages.extend(found(before, after, stretch, vocabulary))
    return passages


def apply(before: Sequence[Paragraph], passages: Iterable[Passage]) -> list[tuple[str, str]]:
    """Kind and text of each paragraph after, made of those before and what the passages say; none may be skipped."""
    found = []
    for passage in passages:
        if passage.change is Change.UNCHANGED:
            found.append((before[passage.before_place].kind, before[passage.before_place].text))
        elif passage.after is not None:
            changed = passage.change is Change.CHANGED
            found.append((passage.after.kind, after_of(passage.words) if changed else passage.after.text))
    return found


def around_changes(passages: Sequence[Passage], context: int) -> list[Passage]:
    """The passages that differ, with so many unchanged ones before and after each; others are one that skips them."""
    kept = [False] * len(passages)
    for place, passage in enumerate(passages):
        if passage.change is not Change.UNCHANGED:
            for near in range(max(place - context, 0), min(place + context + 1, len(passages))):
                kept[near] = True
    found: list[Passage] = []
    for passage, shown in zip(passages, kept, strict=True):
        if shown:
            found.append(passage)
        elif found and found[-1].skipped:
            found[-1] = replace(found[-1], skipped=found[-1].skipped + 1)
        else:
            found.append(replace(passage, before=None, after=None, skipped=1))
    return found


def counts_of(passages: Iterable[Passage]) -> Counter[Change]:
    """How many paragraphs there are of each change, skipped ones as well."""
    counts: Counter[Change] = Counter()
    for passage in passages:
        counts[passage.change] += passage.skipped or 1
    return counts


def _headings(path: Sequence[str], unit: Unit) -> Iterator[Paragraph]:
    """The headings that are new with a unit."""
    same = 0
    while same < min(len(path), len(unit.heading_path)) and path[same] == unit.heading_path[same]:
        same += 1
    for heading in unit.heading_path[same:]:
        yield Paragraph(HEADING, heading, unit.unit_id)


def _goes_on(previous: Unit, unit: Unit) -> bool:
    """Whether both were cut out of one paragraph: then they begin in the same line of the source."""
    same = previous.kind is unit.kind is UnitKind.PARAGRAPH and previous.heading_path == unit.heading_path
    return same and unit.line > 0 and previous.line == unit.line


def _keys(paragraphs: Sequence[Paragraph]) -> list[str]:
    return [f"{paragraph.kind}\n{paragraph.text}" for paragraph in paragraphs]


def _same(
    before: Sequence[Paragraph], after: Sequence[Paragraph], stretch: Stretch, _: Vocabulary
) -> Iterator[Passage]:
    for old, new in zip(range(*stretch.before), range(*stretch.after), strict=True):
        yield Passage(Change.UNCHANGED, before[old], after[new], old, new)


def _gap(
    before: Sequence[Paragraph], after: Sequence[Paragraph], stretch: Stretch, vocabulary: Vocabulary
) -> Iterator[Passage]:
    old, new = stretch.before[0], stretch.after[0]
    left = [vocabulary.encode(paragraph.text) for paragraph in before[slice(*stretch.before)]]
    right = [vocabulary.encode(paragraph.text) for paragraph in after[slice(*stretch.after)]]
    for from_place, to_place in (*paired(left, right, LEAST_ALIKE), (len(left), len(right))):
        while old < stretch.before[0] + from_place:
            yield Passage(Change.REMOVED, before[old], None, old, -1)
            old += 1
        while new < stretch.after[0] + to_place:
            yield Passage(Change.ADDED, None, after[new], -1, new)
            new += 1
        if from_place < len(left):
            yield _rewritten(before[old], after[new], old, new)
            old, new = old + 1, new + 1


def _rewritten(before: Paragraph, after: Paragraph, old: int, new: int) -> Passage:
    same = (before.kind, before.text) == (after.kind, after.text)  # where a gap was too large for the best alignment
    words = () if same else words_between(before.text, after.text)
    return Passage(Change.UNCHANGED if same else Change.CHANGED, before, after, old, new, words)


def _back(passage: Passage) -> Passage:
    return Passage(
        MIRRORED.get(passage.change, passage.change),
        passage.after,
        passage.before,
        passage.after_place,
        passage.before_place,
        tuple(mirrored(passage.words)),
    )


def _ordered(passages: Iterable[Passage]) -> Iterator[Passage]:
    """With the added before the removed of each gap, which the way back turns into the other order."""
    removed: list[Passage] = []
    for passage in passages:
        if passage.change is Change.REMOVED:
            removed.append(passage)
            continue
        if passage.change is not Change.ADDED:
            yield from removed
            removed = []
        yield passage
    yield from removed
