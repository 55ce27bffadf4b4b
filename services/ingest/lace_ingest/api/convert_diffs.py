"""The one mapping between differences and the wire messages of diffs.proto."""

from __future__ import annotations

from collections.abc import Mapping

from lace.common.v1 import ir_pb2
from lace.ingest.v1 import diffs_pb2 as pb
from lace.ingest.v1 import ingest_pb2
from lace.runs.v1 import citations_pb2
from lace_core.ir import Evidence
from lace_ingest.api.convert import source_to_wire, unit_to_wire
from lace_ingest.app.diffs.bundles import BundleDiff, CountedChange
from lace_ingest.app.diffs.comparing import Counts, ShownUnit
from lace_ingest.app.diffs.impact import Assessed
from lace_ingest.app.diffs.versions import Pair
from lace_ingest.domain.diffs.changes import Change, Level, WordChange
from lace_ingest.domain.diffs.citations import Citation, CitationImpact, ImpactCounts
from lace_ingest.domain.diffs.documents import Passage
from lace_ingest.domain.diffs.impact import Standing
from lace_ingest.domain.diffs.tables import CellChange

_LEVELS = {
    pb.DIFF_LEVEL_UNSPECIFIED: Level.SUMMARY,
    pb.DIFF_LEVEL_DOCUMENT: Level.DOCUMENT,
    pb.DIFF_LEVEL_EXTRACTION: Level.EXTRACTION,
    pb.DIFF_LEVEL_IMPACT: Level.IMPACT,
}
_CHANGES = {
    Change.ADDED: pb.DIFF_CHANGE_ADDED,
    Change.REMOVED: pb.DIFF_CHANGE_REMOVED,
    Change.CHANGED: pb.DIFF_CHANGE_CHANGED,
    Change.MOVED: pb.DIFF_CHANGE_MOVED,
    Change.UNCHANGED: pb.DIFF_CHANGE_UNCHANGED,
}
_STANDINGS = {
    Standing.STANDS: pb.QUOTE_STANDING_STANDS,
    Standing.MOVED: pb.QUOTE_STANDING_MOVED,
    Standing.CHANGED: pb.QUOTE_STANDING_CHANGED,
    Standing.GONE: pb.QUOTE_STANDING_GONE,
}


def level_of(wire: pb.DiffLevel.ValueType) -> Level:
    """The level asked for; the summary where it is unset."""
    return _LEVELS[wire]


def versions_of(request: pb.DiffBundlesRequest) -> tuple[int, int]:
    """The versions asked for, 0 where unset; `from` is no name in Python."""
    return getattr(request, "from"), request.to


def from_of(request: pb.AssessImpactRequest) -> str:
    """The source whose citations are asked for."""
    return str(getattr(request, "from"))


def sources_to_wire(pair: Pair) -> pb.DiffSourcesResponse:
    """An answer that names both sources, to be filled."""
    return pb.DiffSourcesResponse(before=source_to_wire(pair.before), after=source_to_wire(pair.after))


def counts_to_wire(counts: Mapping[Change, int]) -> pb.ChangeCounts:
    """How many there are of each change."""
    return pb.ChangeCounts(**{change.value: counts.get(change, 0) for change in Change})


def summary_to_wire(
    paragraphs: Counts | None = None, units: Counts | None = None, citations: ImpactCounts | None = None
) -> pb.DiffSummary:
    """What was counted."""
    return pb.DiffSummary(
        paragraphs=None if paragraphs is None else counts_to_wire(paragraphs),
        units=None if units is None else counts_to_wire(units),
        citations=None if citations is None else _impact_counts_to_wire(citations),
    )


def passage_to_wire(passage: Passage) -> pb.Passage:
    """A paragraph, or several that are skipped."""
    before, after = passage.before, passage.after
    shown = after or before
    return pb.Passage(
        change=_CHANGES[passage.change],
        kind=shown.kind if shown else "",
        before=before.text if before else "",
        after=after.text if after else "",
        words=[_word_to_wire(word) for word in passage.words],
        before_place=passage.before_place,
        after_place=passage.after_place,
        before_unit_id=before.unit_id if before else "",
        after_unit_id=after.unit_id if after else "",
        skipped=passage.skipped,
    )


def unit_change_to_wire(pair: Pair, shown: ShownUnit) -> pb.UnitChange:
    """A unit on both sides."""
    change = shown.change
    return pb.UnitChange(
        change=_CHANGES[change.change],
        moved=change.moved,
        similarity=change.similarity,
        fields=change.fields,
        before=unit_to_wire(pair.before.source_id, shown.before) if shown.before else None,
        after=unit_to_wire(pair.after.source_id, shown.after) if shown.after else None,
        words=[_word_to_wire(word) for word in change.words],
        cells=[_cell_to_wire(cell) for cell in change.cells],
    )


def impact_to_wire(impact: CitationImpact) -> pb.CitationImpact:
    """How a citation stands."""
    place = impact.place
    return pb.CitationImpact(
        citation=_citation_to_wire(impact.citation),
        standing=_STANDINGS[place.standing],
        unit_change=_CHANGES[place.unit_change] if place.unit_change else pb.DIFF_CHANGE_UNSPECIFIED,
        source_id=impact.source_id,
        unit_id=place.unit_id,
        span=ingest_pb2.Span(start=place.span.start, end=place.span.end) if place.unit_id else None,
        text=place.text,
        similarity=place.similarity,
    )


def assessed_to_wire(assessed: Assessed, next_page_token: str) -> pb.AssessImpactResponse:
    """How citations stand, and the sources that they name."""
    return pb.AssessImpactResponse(
        citations=[impact_to_wire(impact) for impact in assessed.impacts],
        sources=[source_to_wire(source) for source in assessed.sources],
        next_page_token=next_page_token,
    )


def bundles_to_wire(found: BundleDiff, next_page_token: str) -> pb.DiffBundlesResponse:
    """Two versions of a bundle, source by source."""
    answer = pb.DiffBundlesResponse(
        to=found.after,
        counts=counts_to_wire(found.counts),
        sources=[_source_change_to_wire(change) for change in found.changes],
        next_page_token=next_page_token,
    )
    setattr(answer, "from", found.before)
    return answer


def _source_change_to_wire(counted: CountedChange) -> pb.SourceChange:
    change = counted.change
    has_counts = counted.paragraphs is not None
    return pb.SourceChange(
        change=_CHANGES[change.change],
        before=source_to_wire(change.before) if change.before else None,
        after=source_to_wire(change.after) if change.after else None,
        summary=summary_to_wire(counted.paragraphs, counted.units) if has_counts else None,
        error_code=counted.error_code,
    )


def _word_to_wire(word: WordChange) -> pb.WordChange:
    return pb.WordChange(change=_CHANGES[word.change], text=word.text)


def _cell_to_wire(cell: CellChange) -> pb.CellChange:
    return pb.CellChange(
        change=_CHANGES[cell.change],
        before_row=cell.before_row,
        after_row=cell.after_row,
        column=cell.column,
        before=cell.before,
        after=cell.after,
    )


def _impact_counts_to_wire(counts: ImpactCounts) -> pb.ImpactCounts:
    by_name = {standing.value: count for standing, count in counts.by_standing.items()}
    return pb.ImpactCounts(**by_name, artifacts=counts.artifacts, incomplete=counts.incomplete)


def _citation_to_wire(citation: Citation) -> citations_pb2.Citation:
    parts = [citations_pb2.CitingPart(**vars(part)) for part in citation.parts]
    return citations_pb2.Citation(
        artifact_id=citation.artifact_id,
        artifact_title=citation.artifact_title,
        revision_id=citation.revision_id,
        node_id=citation.node_id,
        node_title=citation.node_title,
        evidence=_evidence_to_wire(citation.evidence),
        parts=parts,
    )


def _evidence_to_wire(evidence: Evidence) -> ir_pb2.Evidence:
    return ir_pb2.Evidence(**{name: getattr(evidence, name) for name in evidence.__struct_fields__})
