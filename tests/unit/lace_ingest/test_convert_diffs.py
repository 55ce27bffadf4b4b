"""Differences on the wire: every member has a name of its own there, and every field arrives."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest

from lace.ingest.v1 import diffs_pb2 as pb
from lace_core.ir import Evidence
from lace_ingest.api import convert_diffs as convert
from lace_ingest.app.diffs.bundles import BundleDiff, CountedChange
from lace_ingest.app.diffs.comparing import ShownUnit
from lace_ingest.app.diffs.versions import Pair
from lace_ingest.domain.diffs.bundles import SourceChange
from lace_ingest.domain.diffs.changes import Change, Level, WordChange
from lace_ingest.domain.diffs.citations import Citation, CitationImpact, CitingPart, ImpactCounts
from lace_ingest.domain.diffs.documents import Paragraph, Passage
from lace_ingest.domain.diffs.impact import Place, Standing
from lace_ingest.domain.diffs.tables import CellChange
from lace_ingest.domain.diffs.units import UnitChange
from lace_ingest.domain.documents import Span
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.sources import Source, SourceState
from lace_proto.json import to_python
from tests.doubles.versions import unit

WORDS = (WordChange(Change.REMOVED, "10"), WordChange(Change.ADDED, "12"))
EVIDENCE = Evidence(
    evidence_id="evd_1", source_id="src_1", source_version="v", unit_id="unt_1", extraction="x", start=3, end=9,
    quote="quote!", quote_hash="h", heading_path=("A", "B"), page=4, score="0.5", method="bm25",
)  # fmt: skip


def _source(source_id: str) -> Source:
    return Source(
        source_id=source_id, filename=f"{source_id}.md", title="t", format=SourceFormat.MD, media_type="text/markdown",
        size_bytes=1, sha256="0" * 64, raw_uri="x", created_at=datetime(2026, 1, 1, tzinfo=UTC), created_by="prn_1",
        state=SourceState.READY,
    )  # fmt: skip


def _impact(standing: Standing, change: Change | None = Change.CHANGED) -> CitationImpact:
    part = CitingPart("blk_1", "sen_1", "So it is.")
    citation = Citation("art_1", "Title", "rev_1", "nod_1", "Node", EVIDENCE, (part,))
    return CitationImpact(citation, "src_2", Place(standing, change, "unt_2", Span(1, 5), "here", 750))


@pytest.mark.parametrize(("members", "wire"), [(Change, pb.DiffChange), (Standing, pb.QuoteStanding)])
def test_every_member_has_its_name_on_the_wire(members: type[StrEnum], wire: object) -> None:
    names = {name.split("_", 2)[2].lower() for name in wire.keys()}  # type: ignore[attr-defined]  # noqa: SIM118
    assert {member.value for member in members} == names - {"unspecified"}


def test_every_level_can_be_asked_for() -> None:
    assert {convert.level_of(value) for value in pb.DiffLevel.values()} == set(Level)


@pytest.mark.parametrize("change", Change)
def test_a_passage_arrives_whole(change: Change) -> None:
    passage = Passage(change, Paragraph("list", "was", "unt_1"), Paragraph("list", "is", "unt_2"), 3, 4, WORDS, 0)
    assert to_python(convert.passage_to_wire(passage)) == {
        "change": change.value, "kind": "list", "before": "was", "after": "is", "before_place": 3, "after_place": 4,
        "before_unit_id": "unt_1", "after_unit_id": "unt_2", "skipped": 0,
        "words": [{"change": "removed", "text": "10"}, {"change": "added", "text": "12"}],
    }  # fmt: skip


def test_a_unit_arrives_with_its_cells() -> None:
    cells = (CellChange(Change.REMOVED, 2, -1, "cost", "10", ""),)
    change = UnitChange(Change.CHANGED, "unt_1", "unt_2", 640, True, ("text", "kind"), cells, WORDS)
    pair = Pair("ten_1", _source("src_1"), _source("src_2"))
    wire = convert.unit_change_to_wire(pair, ShownUnit(change, unit("a", 0), None))
    assert (wire.change, wire.moved, wire.similarity, list(wire.fields)) == (
        pb.DIFF_CHANGE_CHANGED, True, 640, ["text", "kind"],
    )  # fmt: skip
    assert (wire.before.text, wire.before.source_id, wire.HasField("after")) == ("a", "src_1", False)
    assert to_python(wire.cells[0]) == {
        "change": "removed", "before_row": 2, "after_row": -1, "column": "cost", "before": "10", "after": "",
    }  # fmt: skip
    assert [word.text for word in wire.words] == ["10", "12"]


@pytest.mark.parametrize("standing", Standing)
def test_an_impact_arrives_whole(standing: Standing) -> None:
    told = to_python(convert.impact_to_wire(_impact(standing)))
    evidence = told["citation"].pop("evidence")
    assert {name: getattr(EVIDENCE, name) for name in evidence} == {
        **evidence, "heading_path": ("A", "B"),
    }  # fmt: skip
    assert told == {
        "citation": {
            "artifact_id": "art_1", "artifact_title": "Title", "revision_id": "rev_1", "node_id": "nod_1",
            "node_title": "Node", "parts": [{"block_id": "blk_1", "part_id": "sen_1", "text": "So it is."}],
        },
        "standing": standing.value, "unit_change": "changed", "source_id": "src_2", "unit_id": "unt_2",
        "span": {"start": 1, "end": 5}, "text": "here", "similarity": 750,
    }  # fmt: skip


def test_a_quote_of_another_extraction_names_no_change_of_its_unit() -> None:
    assert convert.impact_to_wire(_impact(Standing.MOVED, None)).unit_change == pb.DIFF_CHANGE_UNSPECIFIED


def test_counts_arrive_under_their_names() -> None:
    counts = {change: place for place, change in enumerate(Change, 1)}
    found = ImpactCounts({standing: place for place, standing in enumerate(Standing, 1)}, 9, incomplete=True)
    wire = convert.summary_to_wire(None, None, found)
    assert not wire.HasField("paragraphs")
    assert to_python(wire.citations) == {
        "stands": 1, "moved": 2, "changed": 3, "gone": 4, "artifacts": 9, "incomplete": True,
    }  # fmt: skip
    assert to_python(convert.counts_to_wire(counts)) == {
        "added": 1, "removed": 2, "changed": 3, "moved": 4, "unchanged": 5,
    }  # fmt: skip


def test_bundles_are_asked_for_and_told_by_their_versions() -> None:
    named: dict[str, Any] = {"from": 3, "to": 5}
    request = pb.DiffBundlesRequest(**named)
    assert convert.versions_of(request) == (3, 5)
    changes = [
        CountedChange(SourceChange(Change.CHANGED, _source("src_1"), _source("src_2")), error_code="SOURCE_NOT_READY"),
        CountedChange(SourceChange(Change.REMOVED, _source("src_3"))),
    ]
    wire = convert.bundles_to_wire(BundleDiff(3, 5, {Change.CHANGED: 1}, changes, None), "next")  # type: ignore[arg-type]
    assert (getattr(wire, "from"), wire.to, wire.next_page_token, wire.counts.changed) == (3, 5, "next", 1)
    assert [(one.before.source_id, one.after.source_id, one.error_code) for one in wire.sources] == [
        ("src_1", "src_2", "SOURCE_NOT_READY"), ("src_3", "", ""),
    ]  # fmt: skip
    assert not any(one.HasField("summary") for one in wire.sources)
