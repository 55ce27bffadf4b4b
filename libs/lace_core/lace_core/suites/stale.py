"""Which quotes of a document do not stand any more where they were taken from, or in what took that place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lace_core.ir import Evidence
from lace_core.suites.facts import SourceStanding
from lace_core.verification.wording import verbatim


def quotes_gone(
    evidence: Iterable[Evidence],
    units: Mapping[str, str],
    standing: Mapping[str, SourceStanding],
    newest: Mapping[str, Mapping[str, str]],
) -> frozenset[str]:
    """Ids of evidence that is gone.

    `units` gives the text of the cited units by id, as the cited extraction read them; `newest` the units of sources
    that are newer versions, by source id. Quotes are looked for as they are compared everywhere: typography aside.
    """
    whole = {source_id: verbatim("\n".join(texts.values())) for source_id, texts in newest.items()}
    gone = set()
    for each in evidence:
        newer = standing.get(each.source_id, SourceStanding()).newest_source_id
        if newer:
            is_there = verbatim(each.quote) in whole.get(newer, "")
        else:
            is_there = units.get(each.unit_id, "")[each.start : each.end] == each.quote
        if not is_there:
            gone.add(each.evidence_id)
    return frozenset(gone)
