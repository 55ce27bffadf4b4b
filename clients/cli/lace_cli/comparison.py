"""What is different between two sources or two versions of a bundle, gathered through the API."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lace_cli.failures import NOT_FOUND, WRONG_USE, CommandError

if TYPE_CHECKING:
    from lace.ingest.v1 import diffs_pb2, ingest_pb2
    from lace_client import LaceClient

DOCUMENT, EXTRACTION, IMPACT = "document", "extraction", "impact"
LEVELS = (DOCUMENT, EXTRACTION, IMPACT)


@dataclass(frozen=True)
class Asked:
    """How close to look (at none of the levels: the counts alone), and what to show beside changes."""

    levels: Collection[str] = ()
    context: int = 1
    unchanged: bool = False


@dataclass
class SourceComparison:
    """Two sources, the counts, and what was asked for of the rest."""

    before: ingest_pb2.Source
    after: ingest_pb2.Source
    summary: diffs_pb2.DiffSummary
    passages: list[diffs_pb2.Passage] = field(default_factory=list)
    units: list[diffs_pb2.UnitChange] = field(default_factory=list)
    citations: list[diffs_pb2.CitationImpact] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether anything is different, in the text or in the units."""
        counted = [counts for counts in (self.summary.paragraphs, self.summary.units) if counts.ByteSize()]
        return any(c.added or c.removed or c.changed or c.moved for c in counted)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "before": self.before, "after": self.after, "summary": self.summary, "passages": self.passages,
            "units": self.units, "citations": self.citations,
        }  # fmt: skip


@dataclass
class BundleComparison:
    """Two versions of a bundle, its sources, and of those that were replaced what was asked for."""

    bundle: str
    before: int
    after: int
    counts: diffs_pb2.ChangeCounts
    sources: list[diffs_pb2.SourceChange]
    comparisons: list[SourceComparison] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether any source was added, removed or replaced."""
        return bool(self.counts.added or self.counts.removed or self.counts.changed)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        compared = [comparison.as_json() for comparison in self.comparisons]
        return {
            "bundle": self.bundle, "from": self.before, "to": self.after, "counts": self.counts,
            "sources": self.sources, "comparisons": compared,
        }  # fmt: skip


def compare_sources(api: LaceClient, source_id: str, against: str, asked: Asked) -> SourceComparison:
    """A source beside another, the version before it where none is named."""
    answer = api.diffs.summary(source_id, against=against)
    found = SourceComparison(answer.before, answer.after, answer.summary)
    earlier = answer.before.source_id
    for level in LEVELS:
        if level not in asked.levels:
            continue
        context = asked.context if level == DOCUMENT else 0
        for page in api.diffs.sources(
            source_id, against=earlier, level=level, context=context, unchanged=asked.unchanged
        ):
            found.passages.extend(page.passages)
            found.units.extend(page.units)
            found.citations.extend(page.citations)
    return found


def compare_bundles(api: LaceClient, bundle: str, before: int, after: int, asked: Asked) -> BundleComparison:
    """One version of a bundle beside another."""
    pages = list(api.diffs.bundles(bundle, from_version=before, to_version=after, unchanged=asked.unchanged))
    first = pages[0]
    sources = [change for page in pages for change in page.sources]
    found = BundleComparison(bundle, getattr(first, "from"), first.to, first.counts, sources)
    if asked.levels:
        for change in sources:
            if change.HasField("summary"):
                pair = change.after.source_id, change.before.source_id
                found.comparisons.append(compare_sources(api, *pair, asked))
    return found


def source_named(api: LaceClient, text: str) -> str:
    """A source's id, or that of the newest source of this file name. Raises CommandError."""
    if text.startswith("src_"):
        return text
    found = [source for source in api.list_sources() if source.filename == text]
    if not found:
        raise CommandError(
            f"There is no source {text}.",
            code="SOURCE_NOT_FOUND",
            advice="See the sources there are: lace sources",
            exit_code=NOT_FOUND,
        )
    if len({source.series_id for source in found}) > 1:
        ids = ", ".join(source.source_id for source in found[:5])
        raise CommandError(
            f"Several documents are named {text}: {ids}.",
            code="SOURCE_NAME_AMBIGUOUS",
            advice="Name one by its id.",
            exit_code=WRONG_USE,
        )
    return max(found, key=lambda source: source.version).source_id
