"""How a quote taken from one version stands in another: word for word, elsewhere, in other words, or not at all."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lace_ingest.domain.diffs.changes import IDENTICAL, Change
from lace_ingest.domain.diffs.tokens import Vocabulary, shared, similarity
from lace_ingest.domain.diffs.units import UnitChange
from lace_ingest.domain.documents import Span, Unit

LEAST_ALIKE = 500
"""Per mille of a quote's words from which on something is that quote, changed."""

_MOST_UNITS = 24
_WIDEST = 6
_RAREST = 12
_MOST_HOLDING = 200
_NOWHERE = Span(0, 0)


class Standing(StrEnum):
    """How a quote stands in the newer version."""

    STANDS = "stands"
    MOVED = "moved"
    CHANGED = "changed"
    GONE = "gone"


@dataclass(frozen=True)
class Quoted:
    """A quote: the unit that it is taken from, its first code point there, and its words."""

    unit_id: str
    start: int
    quote: str


@dataclass(frozen=True)
class Place:
    """How a quote stands: where in the newer version (a unit and a span of it), and what stands there.

    `unit_change` is what became of its unit, None where that unit is of another extraction; a quote that is gone has
    neither unit nor span.
    """

    standing: Standing
    unit_change: Change | None
    unit_id: str = ""
    span: Span = _NOWHERE
    text: str = ""
    similarity: int = 0


class Newer:
    """The newer version, as quotes from the older one are looked up in it."""

    def __init__(self, changes: Iterable[UnitChange], before: Sequence[Unit], after: Sequence[Unit]) -> None:
        """`changes` are those of `diff_units(before, after)`."""
        self._change_of = {change.before_id: change for change in changes if change.before_id}
        self._after = after
        self._at = {unit.unit_id: at for at, unit in enumerate(after)}
        self._paths = {unit.unit_id: unit.heading_path for unit in before}
        self._expected = dict(self._expectations(before))
        self._text = "\n".join(unit.text for unit in after)
        self._starts = _starts(after)
        self._words = _Words(after)

    def place(self, quoted: Quoted) -> Place:
        """Where the quote is; of several places the one nearest to where it was."""
        change = self._change_of.get(quoted.unit_id)
        became = change.change if change else None
        partner = self._at.get(change.after_id) if change else None
        if partner is not None and change is not None:
            start = _nearest(_occurrences(self._after[partner].text, quoted.quote), quoted.start)
            if start is not None:
                standing = Standing.MOVED if change.moved else Standing.STANDS
                return self._verbatim(standing, became, partner, start, quoted.quote)
        near = self._expected.get(quoted.unit_id, 0)
        elsewhere = min(self._elsewhere(quoted.quote), key=lambda found: (abs(found[0] - near), found), default=None)
        if elsewhere is not None:
            return self._verbatim(Standing.MOVED, became, *elsewhere, quoted.quote)
        return self._most_like(quoted, became, partner, near)

    def _expectations(self, before: Sequence[Unit]) -> Iterator[tuple[str, int]]:
        """Where each unit would be: where its partner is, or the partner of the unit before it that has one."""
        last = 0
        for unit in before:
            change = self._change_of.get(unit.unit_id)
            place = self._at.get(change.after_id, last) if change else last
            if change and not change.moved:
                last = place
            yield unit.unit_id, place

    def _elsewhere(self, quote: str) -> Iterator[tuple[int, int]]:
        """Places of the units that hold the quote, and where in them."""
        for found in _occurrences(self._text, quote):
            at = bisect_right(self._starts, found) - 1
            start = found - self._starts[at]
            if start + len(quote) <= len(self._after[at].text):
                yield at, start

    def _verbatim(self, standing: Standing, became: Change | None, at: int, start: int, quote: str) -> Place:
        span = Span(start, start + len(quote))
        return Place(standing, became, self._after[at].unit_id, span, quote, IDENTICAL)

    def _most_like(self, quoted: Quoted, became: Change | None, partner: int | None, near: int) -> Place:
        """The stretch of whole sentences, items or rows whose words are most like the quote's."""
        quote = self._words.encode(quoted.quote)
        best: tuple[int, bool, int, int, Span] | None = None
        for at in self._candidates(quoted, partner, near):
            for per_mille, span in self._words.alike(at, quote, -best[0] if best else LEAST_ALIKE):
                found = (-per_mille, at != partner, abs(at - near), at, span)
                best = found if best is None else min(best, found, key=_order)
        if best is None:
            return Place(Standing.GONE, became)
        unit, span = self._after[best[3]], best[4]
        text = unit.text[span.start : span.end]
        return Place(Standing.CHANGED, became, unit.unit_id, span, text, -best[0])

    def _candidates(self, quoted: Quoted, partner: int | None, near: int) -> list[int]:
        """Units to look at: the partner, those below the same headings, the neighbours, those that share rare words."""
        path = self._paths.get(quoted.unit_id)
        same = [at for at, unit in enumerate(self._after) if unit.heading_path == path]
        same.sort(key=lambda at: (abs(at - near), at))
        around = range(max(near - 3, 0), min(near + 4, len(self._after)))
        first = [] if partner is None else [partner]
        return list(dict.fromkeys([*first, *same[:_MOST_UNITS], *around, *self._words.sharing(quoted.quote)]))


class _Words:
    """The words of units, written as characters when they are first asked for."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._units = units
        self._vocabulary = Vocabulary()
        self._encoded: dict[int, tuple[str, list[int]]] = {}
        self._holding: dict[str, list[int]] = {}

    def encode(self, text: str) -> str:
        """A text in the same characters."""
        return self._vocabulary.encode(text)

    def alike(self, at: int, quote: str, least: int) -> Iterator[tuple[int, Span]]:
        """The similarity of stretches of a unit with a quote, those from `least` on."""
        words, places = self._of(at)
        most = shared(quote, words)
        if 2 * IDENTICAL * most < least * (len(quote) + most):
            return  # even a stretch of nothing but the shared words would not be enough
        for span in _windows(self._units[at].spans, places, len(quote)):
            stretch = words[bisect_left(places, span.start) : bisect_left(places, span.end)]
            if per_mille := similarity(quote, stretch, least):
                yield per_mille, span

    def sharing(self, quote: str) -> list[int]:
        """The units that hold most of the quote's rarer words."""
        if not self._holding:
            for at in range(len(self._units)):
                for word in set(self._of(at)[0]):
                    self._holding.setdefault(word, []).append(at)
        found = [word for word in set(self.encode(quote)) if word in self._holding]
        rarest = sorted(found, key=lambda word: (len(self._holding[word]), word))[:_RAREST]
        held = Counter(at for word in rarest for at in self._holding[word][:_MOST_HOLDING])
        return [at for at, _ in sorted(held.items(), key=lambda item: (-item[1], item[0]))[:_MOST_UNITS]]

    def _of(self, at: int) -> tuple[str, list[int]]:
        if at not in self._encoded:
            self._encoded[at] = self._vocabulary.encode_with_places(self._units[at].text)
        return self._encoded[at]


def _order(found: tuple[int, bool, int, int, Span]) -> tuple[int, bool, int, int, int, int]:
    return (*found[:4], found[4].start, found[4].end)


def _starts(units: Sequence[Unit]) -> list[int]:
    """Where each unit begins in the text of all, one character between them."""
    found, place = [], 0
    for unit in units:
        found.append(place)
        place += len(unit.text) + 1
    return found


def _occurrences(text: str, quote: str) -> Iterator[int]:
    """Where a quote stands as it is, not as a part of longer words or numbers."""
    at = text.find(quote) if quote else -1
    while at >= 0:
        end = at + len(quote)
        cut_before = at > 0 and text[at - 1].isalnum() and quote[0].isalnum()
        cut_after = end < len(text) and text[end].isalnum() and quote[-1].isalnum()
        if not cut_before and not cut_after:
            yield at
        at = text.find(quote, at + 1)


def _nearest(places: Iterable[int], wanted: int) -> int | None:
    return min(places, key=lambda place: (abs(place - wanted), place), default=None)


def _windows(spans: Sequence[Span], places: Sequence[int], words: int) -> Iterator[Span]:
    """Stretches of one or more spans in a row, of two or more only while they are not twice as long as the quote."""
    for first, span in enumerate(spans):
        yield span
        for last in spans[first + 1 : first + _WIDEST]:
            if bisect_left(places, last.end) - bisect_left(places, span.start) > 2 * words:
                break
            yield Span(span.start, last.end)
