"""What the verification of one revision came to, as its reader is told: a pure function of the revision's verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from lace_core.verification.standing import ACCEPTED, AUTHORED
from lace_core.verification.verdicts import Acceptance


class AcceptedPart(Struct, frozen=True, kw_only=True):
    """A sentence, list item or row that stands on a person's word; the time is ISO 8601 in UTC."""

    part_id: str
    accepted_by: str
    accepted_at: str
    reason: str


class KeptOut(Struct, frozen=True, kw_only=True):
    """How many sentences were kept out with one verdict, told by one layer."""

    verdict: str
    layer: str
    count: int


class Writing(Struct, frozen=True, kw_only=True):
    """A run that wrote some of the revision, with its pipeline and the model it asked ("" where it is not known)."""

    run_id: str
    pipeline: str
    model: str
    parts: int


class Report(Struct, frozen=True, kw_only=True):
    """The revision's pieces by the right they stand by, who took what on his word, and what was kept out.

    `judged` counts pieces that a judge looked at as well; `by_people` those that no run wrote; `verifiers` are the
    versions of the rules that gave the verdicts. The text of what was kept out is not in it.
    """

    revision_id: str
    supported: int
    authored: int
    judged: int
    by_people: int
    verifiers: tuple[str, ...]
    accepted: tuple[AcceptedPart, ...]
    kept_out: tuple[KeptOut, ...]
    runs: tuple[Writing, ...]

    @property
    def parts(self) -> int:
        """How many pieces the revision has."""
        return self.supported + self.authored + len(self.accepted)

    @property
    def withheld(self) -> int:
        """How many sentences were kept out."""
        return sum(kept.count for kept in self.kept_out)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One verdict of a revision, in the order of its pieces; `by_judge` says whether a judge looked too."""

    sentence_id: str
    verdict: str
    reasons: Sequence[str]
    in_document: bool
    run_id: str
    standing: str
    acceptance: Acceptance | None
    verifier: str
    by_judge: bool


@dataclass(frozen=True, kw_only=True)
class RunNote:
    """What is told of a run."""

    run_id: str
    pipeline: str
    model: str


def report_of(revision_id: str, rows: Iterable[Row], runs: Iterable[RunNote]) -> Report:
    """The report of a revision's verdicts."""
    notes = {note.run_id: note for note in runs}
    standing, kept = list[Row](), Counter[tuple[str, str]]()
    for row in rows:
        if row.in_document:
            standing.append(row)
        else:
            kept[row.verdict, _telling_layer(row.reasons)] += 1
    authors = Counter(row.run_id for row in standing)
    return Report(
        revision_id=revision_id,
        supported=sum(row.standing not in (ACCEPTED, AUTHORED) for row in standing),
        authored=sum(row.standing == AUTHORED for row in standing),
        judged=sum(row.by_judge for row in standing),
        by_people=authors.pop("", 0),
        verifiers=tuple(sorted({row.verifier for row in standing if row.verifier})),
        accepted=tuple(_accepted(row) for row in standing if row.standing == ACCEPTED),
        kept_out=tuple(
            KeptOut(verdict=verdict, layer=layer, count=count) for (verdict, layer), count in sorted(kept.items())
        ),
        runs=tuple(
            Writing(
                run_id=run_id,
                pipeline=notes[run_id].pipeline if run_id in notes else "",
                model=notes[run_id].model if run_id in notes else "",
                parts=count,
            )
            for run_id, count in sorted(authors.items())
        ),
    )


def encode(report: Report) -> str:
    """Canonical JSON of a report (it holds no floats, and ASCII keys)."""
    return msgspec.json.encode(report, order="sorted").decode()


def decode(data: str | bytes) -> Report:
    """The report of its JSON; raises ValueError (msgspec.ValidationError) where it does not fit."""
    return msgspec.json.decode(data, type=Report)


def _accepted(row: Row) -> AcceptedPart:
    given = row.acceptance or Acceptance(accepted_by="", accepted_at="", reason="")
    return AcceptedPart(
        part_id=row.sentence_id, accepted_by=given.accepted_by, accepted_at=given.accepted_at, reason=given.reason
    )


def _telling_layer(reasons: Sequence[str]) -> str:
    return reasons[-1].partition(":")[0] if reasons else ""
