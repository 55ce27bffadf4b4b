"""What a scorer made of labelled pairs: how much of the false it let through, and how much of the true it knew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from lace_core.evaluation.pairs import NOT, SUPPORTED, Pair, quotes_of
from lace_core.evaluation.rates import Rate, rare_rate_of, rate_of
from lace_core.verification.grounding import verify
from lace_core.verification.verdicts import LayerVerdict, Verdict

FALSE_SUPPORT, MISSED = "false_support", "missed"


class Scored(Struct, frozen=True, kw_only=True):
    """A scorer's verdict on a pair, with what it has to say about it."""

    id: str
    verdict: str
    reasons: tuple[str, ...] = ()
    layers: tuple[LayerVerdict, ...] = ()


class KindReport(Struct, frozen=True, kw_only=True):
    """How many pairs of a kind got which verdict."""

    kind: str
    label: str
    pairs: int
    supported: int
    partially: int
    contradicted: int
    unsupported: int


class Failure(Struct, frozen=True, kw_only=True):
    """A pair whose verdict is not as its label says: a false support, or a true sentence that was missed."""

    id: str
    kind: str
    failure: str
    verdict: str
    finding: str


class PairReport(Struct, frozen=True, kw_only=True):
    """The whole: rates over the pairs of either label, the verdicts by kind, and the pairs that failed.

    `abstained` are the verdicts `partially`: they go to a person. `as_expected` counts over the pairs that name the
    one right verdict.
    """

    pairs: int
    false_supports: Rate
    true_supports: Rate
    abstained: Rate
    abstained_on_false: int
    abstained_on_true: int
    as_expected: Rate
    kinds: tuple[KindReport, ...]
    failures: tuple[Failure, ...]


def score(pairs: Iterable[Pair]) -> Iterator[Scored]:
    """The built-in verifier's verdict on each pair, in order."""
    for pair in pairs:
        judged = verify(pair.sentence, quotes_of(pair.evidence))
        yield Scored(id=pair.id, verdict=judged.verdict.word, reasons=judged.reasons, layers=judged.layers)


def report(pairs: Sequence[Pair], scored: Mapping[str, Scored]) -> PairReport:
    """The report on verdicts by the ids of their pairs; raises KeyError for a pair without one."""
    verdicts = {pair.id: scored[pair.id].verdict for pair in pairs}
    false = [pair for pair in pairs if pair.label == NOT]
    true = [pair for pair in pairs if pair.label == SUPPORTED]
    expected = [pair for pair in pairs if pair.expected]
    abstained = [pair for pair in pairs if verdicts[pair.id] == Verdict.PARTIALLY.word]
    return PairReport(
        pairs=len(pairs),
        false_supports=rare_rate_of(_supported(false, verdicts), len(false)),
        true_supports=rate_of(_supported(true, verdicts), len(true)),
        abstained=rate_of(len(abstained), len(pairs)),
        abstained_on_false=sum(pair.label == NOT for pair in abstained),
        abstained_on_true=sum(pair.label == SUPPORTED for pair in abstained),
        as_expected=rate_of(sum(verdicts[pair.id] == pair.expected for pair in expected), len(expected)),
        kinds=tuple(_kinds(pairs, verdicts)),
        failures=tuple(_failures(pairs, scored)),
    )


def _supported(pairs: Iterable[Pair], verdicts: Mapping[str, str]) -> int:
    return sum(verdicts[pair.id] == Verdict.SUPPORTED.word for pair in pairs)


def _kinds(pairs: Iterable[Pair], verdicts: Mapping[str, str]) -> Iterator[KindReport]:
    """In the order in which they come first, the false ones before the true ones."""
    kinds: dict[tuple[str, str], Counter[str]] = {}
    for pair in pairs:
        kinds.setdefault((pair.kind, pair.label), Counter())[verdicts[pair.id]] += 1
    for (kind, label), counts in sorted(kinds.items(), key=lambda item: item[0][1]):
        numbers = {verdict.word: counts[verdict.word] for verdict in Verdict}
        yield KindReport(kind=kind, label=label, pairs=counts.total(), **numbers)


def _failures(pairs: Iterable[Pair], scored: Mapping[str, Scored]) -> Iterator[Failure]:
    for pair in pairs:
        own = scored[pair.id]
        if (own.verdict == Verdict.SUPPORTED.word) == (pair.label == SUPPORTED):
            continue
        failure = MISSED if pair.label == SUPPORTED else FALSE_SUPPORT
        finding = own.reasons[-1] if own.reasons else ""
        yield Failure(id=pair.id, kind=pair.kind, failure=failure, verdict=own.verdict, finding=finding)
