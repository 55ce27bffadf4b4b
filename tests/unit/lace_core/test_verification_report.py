"""The report on a revision: every verdict counted once, by the right its sentence stands by, whatever their order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lace_core.verification.report import Row, RunNote, decode, encode, report_of
from lace_core.verification.verdicts import Acceptance

VOUCHED = Acceptance(accepted_by="prn_1", accepted_at="2026-11-21T09:30:00+00:00", reason="Seen.")


def _row(number: int, **more: Any) -> Row:
    plain: dict[str, Any] = {
        "sentence_id": f"sen_{number}", "verdict": "supported", "reasons": ("quote: verbatim",), "in_document": True,
        "run_id": "run_1", "standing": "verified", "acceptance": None, "verifier": "rules/2", "by_judge": False,
    }  # fmt: skip
    return Row(**{**plain, **more})


_ROWS = st.lists(
    st.builds(
        lambda number, standing, run_id, judge: _row(
            number,
            standing=standing,
            in_document=bool(standing),
            run_id=run_id,
            verdict="supported" if standing == "verified" else "partially",
            acceptance=VOUCHED if standing == "accepted" else None,
            by_judge=judge,
        ),
        st.integers(0, 99),
        st.sampled_from(["verified", "accepted", "authored", ""]),
        st.sampled_from(["run_1", "run_2", ""]),
        st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=40)
@given(_ROWS)
def test_every_verdict_is_counted_once(rows: list[Row]) -> None:
    report = report_of("rev_1", rows, [RunNote(run_id="run_1", pipeline="generate 3", model="extractive")])
    standing = [row for row in rows if row.in_document]
    assert report.parts == len(standing)
    assert report.withheld == len(rows) - len(standing)
    assert report.by_people + sum(run.parts for run in report.runs) == len(standing)
    assert report.judged == sum(row.by_judge for row in standing)
    assert decode(encode(report)) == report


def test_it_says_which_layer_told_of_what_was_kept_out_but_not_what() -> None:
    out: dict[str, Any] = {"in_document": False, "standing": ""}
    rows = [
        _row(1),
        _row(2, verdict="contradicted", reasons=("quote: not verbatim", "numbers: 5 is not in the evidence"), **out),
        _row(3, verdict="contradicted", reasons=("numbers: 6 is not in the evidence",), **out),
        _row(4, verdict="partially", reasons=(), **out),
    ]
    report = report_of("rev_1", rows, [])
    assert [(kept.verdict, kept.layer, kept.count) for kept in report.kept_out] == [
        ("contradicted", "numbers", 2), ("partially", "", 1)
    ]  # fmt: skip
    assert "sen_2" not in encode(report)


def test_a_run_that_is_not_known_any_more_is_named_without_a_model() -> None:
    report = report_of(
        "rev_1", [_row(1), _row(2, run_id="run_2")], [RunNote(run_id="run_1", pipeline="p 1", model="m")]
    )
    assert [(run.run_id, run.pipeline, run.model) for run in report.runs] == [("run_1", "p 1", "m"), ("run_2", "", "")]


def test_what_is_no_report_is_refused() -> None:
    with pytest.raises(ValueError, match="revision_id"):
        decode(b"{}")
