"""How evaluations look at the command line, and what makes one worse than what was recorded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lace.runs.v1 import evaluations_pb2 as wire

_HEADINGS = ("kind", "label", "pairs", "supported", "partially", "contradicted", "unsupported")
_FALSE_SUPPORT = "false_support"


@dataclass(frozen=True)
class Measured:
    """A set by the name or the file it was given by, and the report on it."""

    name: str
    evaluation: wire.Evaluation

    @property
    def key(self) -> str:
        """Its name among recorded rates; the file open.json is the set golden."""
        stem = Path(self.name).stem
        return "open" if stem == "golden" else stem

    @property
    def counts(self) -> dict[str, int]:
        """What is recorded of it: counts, as rates round."""
        report = self.evaluation.pair_report
        return {
            "false_pairs": report.false_supports.total,
            "false_supports": report.false_supports.count,
            "true_pairs": report.true_supports.total,
            "true_supports": report.true_supports.count,
        }

    def worse_than(self, recorded: Mapping[str, int] | None) -> list[str]:
        """What is worse than it may be: no false support ever, and no fewer true ones than were recorded."""
        report, worse = self.evaluation.pair_report, []
        if report.false_supports.count:
            worse.append(f"{self.name}: {report.false_supports.count} false supports")
        if recorded is not None:
            was = recorded["true_supports"] / max(1, recorded["true_pairs"])
            if report.true_supports.rate < round(was, 6):
                now = _of(report.true_supports)
                worse.append(f"{self.name}: true supports {now}, recorded {was:.1%}")
        return worse


def pair_lines(measured: Measured, *, every: bool = False) -> Iterator[str]:
    """A report on pairs: a table by kind, the rates, and the false supports by name; all that failed if `every`."""
    report = measured.evaluation.pair_report
    yield f"{measured.name}: {report.pairs} pairs, scored by {measured.evaluation.scorer}"
    rows = [
        (own.kind, own.label, *map(str, (own.pairs, own.supported, own.partially, own.contradicted, own.unsupported)))
        for own in report.kinds
    ]
    yield from _table(_HEADINGS, rows)
    yield f"false supports  {_of(report.false_supports)}, 95% upper bound {report.false_supports.high:.1%}"
    yield f"true supports   {_of(report.true_supports)}, 95% interval {_interval(report.true_supports)}"
    yield (
        f"abstentions     {_of(report.abstained)}: {report.abstained_on_true} on true sentences, "
        f"{report.abstained_on_false} on others"
    )
    for failure in report.failures:
        if every or failure.failure == _FALSE_SUPPORT:
            yield f"  {failure.failure}  {failure.id}  {failure.verdict}  {failure.finding}".rstrip()
    yield f"kept as {measured.evaluation.evaluation_id}"


def citation_lines(evaluation: wire.Evaluation) -> Iterator[str]:
    """A report on a document: recall and precision by section and as a whole, and the pieces that fall short."""
    report = evaluation.citation_report
    yield f"{evaluation.artifact_id} {evaluation.revision_id}: citations as our verifier sees them"
    measures = [*report.sections, report.whole]
    rows = [
        (
            own.title if own.node_id else "the whole",
            str(own.pieces),
            str(own.uncited),
            _of(own.recall),
            _of(own.precision),
        )
        for own in measures
    ]
    yield from _table(("section", "pieces", "uncited", "recall", "precision"), rows)
    for failure in report.failures:
        why = f"{failure.precise} of {failure.citations} citations needed" if failure.is_carried else failure.finding
        yield f"  {failure.part_id}  {failure.verdict}  {why}"
    yield f"kept as {evaluation.evaluation_id}"


@contextmanager
def steps(title: str, total: int, *, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Tells of each step that is done: by a bar on a terminal, otherwise not at all."""
    if quiet or not sys.stdout.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[name]}"),
    )
    with Progress(*columns, console=Console(), transient=True) as progress:
        task = progress.add_task(title, total=total, name="")
        yield lambda name: progress.update(task, advance=1, name=name)


def _of(rate: wire.EvaluationRate) -> str:
    return f"{rate.count} of {rate.total} ({rate.rate:.1%})" if rate.total else "none"


def _interval(rate: wire.EvaluationRate) -> str:
    return f"{rate.low:.1%} to {rate.high:.1%}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for row in (headings, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
