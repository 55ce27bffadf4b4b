"""Citations as documents hold them, and how each stands in a newer version of what it cites."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lace_core.ir import Evidence
from lace_ingest.domain.diffs.impact import Place, Quoted, Standing


@dataclass(frozen=True)
class CitingPart:
    """A sentence, list item, table row or whole block that rests on evidence, and what it says."""

    block_id: str
    part_id: str
    text: str


@dataclass(frozen=True)
class Citation:
    """Evidence in a section of a document's committed revision, and what rests on it."""

    artifact_id: str
    artifact_title: str
    revision_id: str
    node_id: str
    node_title: str
    evidence: Evidence
    parts: tuple[CitingPart, ...] = ()

    @property
    def quoted(self) -> Quoted:
        """The quote."""
        return Quoted(self.evidence.unit_id, self.evidence.start, self.evidence.quote)


@dataclass(frozen=True)
class CitationImpact:
    """How a citation stands in the newer source."""

    citation: Citation
    source_id: str
    place: Place

    @property
    def is_whole(self) -> bool:
        """Whether the quote is there word for word, where it was."""
        return self.place.standing is Standing.STANDS


@dataclass(frozen=True)
class ImpactCounts:
    """How many citations there are of each standing, and documents in which one does not stand word for word."""

    by_standing: dict[Standing, int]
    artifacts: int
    incomplete: bool = False


def counts_of(impacts: Iterable[CitationImpact], *, incomplete: bool = False) -> ImpactCounts:
    """The counts; `incomplete` says that there are more citations than these."""
    counted = dict.fromkeys(Standing, 0)
    touched: set[str] = set()
    for impact in impacts:
        counted[impact.place.standing] += 1
        if impact.place.standing in (Standing.CHANGED, Standing.GONE):
            touched.add(impact.citation.artifact_id)
    return ImpactCounts(counted, len(touched), incomplete)
