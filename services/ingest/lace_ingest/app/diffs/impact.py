"""How citations stand where a newer version has taken the place of what they cite. Nothing is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lace_core.errors import LaceError, Reason
from lace_ingest.app.diffs.ports import CitationPage, Diffs
from lace_ingest.app.diffs.versions import Pair, readable, units_of, visible
from lace_ingest.app.ports import Caller
from lace_ingest.domain.diffs.citations import Citation, CitationImpact, ImpactCounts, counts_of
from lace_ingest.domain.sources import Source, SourceState, may_see

MOST_COUNTED = 1000
_BATCH = 500


@dataclass(frozen=True)
class Asked:
    """A page of citations: how many to look at, where it begins, and whether those that stand are told of, too."""

    limit: int
    token: str = ""
    unchanged: bool = False


@dataclass(frozen=True)
class Assessed:
    """How citations stand, the sources that they name, and the token of the page after them; empty at the end."""

    impacts: Sequence[CitationImpact]
    sources: Sequence[Source]
    next_token: str


async def assess_pair(diffs: Diffs, pair: Pair, asked: Asked) -> Assessed:
    """The citations of the earlier source, as they stand in the later one."""
    page = await diffs.citations.page([pair.before.source_id], "", asked.limit, asked.token)
    impacts = await _stand(diffs, pair, page.citations)
    return _assessed(impacts, [pair.before, pair.after], page, asked)


async def assess_source(diffs: Diffs, caller: Caller, source_id: str, to: str, asked: Asked) -> Assessed:
    """The citations of a source, as they stand in another: the newest version that was read, where none is named.

    Raises SOURCE_NOT_FOUND, SOURCE_NOT_READY, DIFF_LIMIT_EXCEEDED, PERMISSION_DENIED.
    """
    async with diffs.units_of_work(caller.tenant_id) as work:
        before = await visible(work, caller, source_id)
        if to:
            after: Source | None = await visible(work, caller, to)
        else:
            newest = await work.series.newest_ready(caller.tenant_id, caller.labels, [before.series_id])
            after = newest.get(before.series_id)
    if after is None or after.source_id == before.source_id:
        return Assessed((), [before], "")
    pair = readable(caller.tenant_id, before, after)
    return await assess_pair(diffs, pair, asked)


async def assess_artifact(diffs: Diffs, caller: Caller, artifact_id: str, asked: Asked) -> Assessed:
    """The citations of a document whose source has a newer version that was read, as they stand in it.

    Raises DIFF_LIMIT_EXCEEDED, PERMISSION_DENIED.
    """
    page = await diffs.citations.page([], artifact_id, asked.limit, asked.token)
    cited = list(dict.fromkeys(citation.evidence.source_id for citation in page.citations))
    newer = await _newer(diffs, caller, cited)
    impacts: list[CitationImpact] = []
    for source_id, pair in newer.items():
        of_source = [one for one in page.citations if one.evidence.source_id == source_id]
        impacts.extend(await _stand(diffs, pair, of_source))
    order = {id(citation): place for place, citation in enumerate(page.citations)}
    impacts.sort(key=lambda impact: order[id(impact.citation)])
    named = [source for pair in newer.values() for source in (pair.before, pair.after)]
    return _assessed(impacts, named, page, asked)


async def count_impact(diffs: Diffs, pair: Pair) -> ImpactCounts | None:
    """How the citations of the earlier source stand in the later one; None for who may not read documents."""
    found: list[Citation] = []
    token = ""
    while len(found) < MOST_COUNTED:
        try:
            page = await diffs.citations.page([pair.before.source_id], "", _BATCH, token)
        except LaceError as error:
            if error.reason is not Reason.PERMISSION_DENIED:
                raise
            return None
        found.extend(page.citations)
        token = page.next_token
        if not token:
            break
    return counts_of(await _stand(diffs, pair, found), incomplete=bool(token))


async def _newer(diffs: Diffs, caller: Caller, source_ids: Sequence[str]) -> Mapping[str, Pair]:
    """By source the pair with the newest version of its document, for those that are not the newest themselves."""
    async with diffs.units_of_work(caller.tenant_id) as work:
        found = [await work.sources.get(caller.tenant_id, source_id) for source_id in source_ids]
        seen = [source for source in found if source is not None and may_see(source.labels, caller.labels)]
        series = sorted({source.series_id for source in seen})
        newest = await work.series.newest_ready(caller.tenant_id, caller.labels, series) if series else {}
    pairs = {}
    for source in seen:
        latest = newest.get(source.series_id)
        if latest is not None and latest.version > source.version and source.state is SourceState.READY:
            pairs[source.source_id] = Pair(caller.tenant_id, source, latest)
    return pairs


async def _stand(diffs: Diffs, pair: Pair, citations: Sequence[Citation]) -> list[CitationImpact]:
    if not citations:
        return []
    before, after = await units_of(diffs, pair)
    places = await diffs.differ.places(before, after, [citation.quoted for citation in citations])
    return [
        CitationImpact(citation, pair.after.source_id, place) for citation, place in zip(citations, places, strict=True)
    ]


def _assessed(
    impacts: Sequence[CitationImpact], sources: Sequence[Source], page: CitationPage, asked: Asked
) -> Assessed:
    told = [impact for impact in impacts if asked.unchanged or not impact.is_whole]
    named = {source.source_id: source for source in sources}
    return Assessed(told, list(named.values()), page.next_token)
