"""What the reader is told of the verification: by what right the text stands, who vouches for it, what was kept out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lace_compiler.domain import wording
from lace_compiler.domain.document import AcceptedView, VerificationView
from lace_compiler.domain.text import one_line
from lace_core.verification.report import Report

_MOST_RUNS = 20
# In the order in which they are told: the worst first.
_VERDICTS = {
    "contradicted": "contradicted by the evidence",
    "unsupported": "not supported by the evidence",
    "partially": "could not be decided",
    "supported": "left out although supported",
}


def verification_view(report: Report, texts: Mapping[str, str]) -> VerificationView:
    """The report as it is shown; `texts` are the document's shown pieces by id."""
    return VerificationView(
        summary=_summary(report),
        facts=tuple(one_line(fact) for fact in _facts(report)),
        accepted=tuple(
            AcceptedView(
                text=texts.get(part.part_id, ""),
                by=one_line(part.accepted_by),
                on=one_line(part.accepted_at[:10]),
                reason=one_line(part.reason),
            )
            for part in report.accepted
        ),
        withheld_summary=_withheld_summary(report),
        withheld=tuple(_withheld(report)),
    )


def _summary(report: Report) -> str:
    rights = [f"{report.supported:,} supported by the evidence"]
    if report.accepted:
        rights.append(f"{len(report.accepted):,} accepted by a person")
    if report.authored:
        rights.append(f"{report.authored:,} written by a person without evidence")
    return f"{wording.counted(report.parts, 'piece')} of text: {', '.join(rights)}."


def _facts(report: Report) -> Iterator[str]:
    if report.verifiers:
        yield f"Verified by {', '.join(report.verifiers)}."
    if report.judged:
        yield f"A judge looked at {report.judged:,} of them as well; it can only lower a verdict."
    for run in report.runs[:_MOST_RUNS]:
        how = ", ".join(filter(None, (run.pipeline, run.model)))
        yield f"{run.parts:,} written by {run.run_id}" + (f" ({how})." if how else ".")
    if len(report.runs) > _MOST_RUNS:
        yield f"Others were written by {len(report.runs) - _MOST_RUNS:,} more runs."
    if report.by_people:
        yield f"{report.by_people:,} put in by people."


def _withheld_summary(report: Report) -> str:
    if not report.withheld:
        return "Nothing was kept out."
    were = "sentence was" if report.withheld == 1 else "sentences were"
    return f"{report.withheld:,} {were} kept out. Their words are not shown here."


def _withheld(report: Report) -> Iterator[str]:
    for verdict, told in _VERDICTS.items():
        kept = [entry for entry in report.kept_out if entry.verdict == verdict]
        if kept:
            layers = ", ".join(f"{entry.layer} {entry.count:,}" for entry in kept if entry.layer)
            why = f" ({one_line(layers)})" if layers else ""
            yield f"{sum(entry.count for entry in kept):,} {told}{why}"
