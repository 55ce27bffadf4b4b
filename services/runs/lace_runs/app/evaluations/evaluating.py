"""Measuring verdicts on labelled pairs, and the citations of documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lace_core.errors import Detail, LaceError, Reason
from lace_core.evaluation.citations import CitationReport
from lace_core.evaluation.pairs import Pair, problems
from lace_core.evaluation.reports import PairReport, Scored, report
from lace_core.ids import derive
from lace_runs.app.artifacts import require_visible, show
from lace_runs.app.evaluations.ports import Scorer
from lace_runs.app.ports import Caller, OpenUnitOfWork
from lace_runs.domain.evaluations import BUILTIN, Evaluation, named_set, require_bounded, require_sound


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What to measure: a named set, pairs or a document, one of them; and the verdicts, if another scorer gave them."""

    title: str
    set_name: str
    pairs: tuple[Pair, ...]
    artifact_id: str
    revision_id: str
    scorer: str
    verdicts: tuple[Scored, ...]


async def verify_pairs(scorer: Scorer, pairs: Sequence[Pair]) -> Sequence[Scored]:
    """The built-in verifier's verdicts on pairs; raises LaceError INVALID_ARGUMENT, EVALUATION_LIMIT_EXCEEDED."""
    require_sound(problems(pairs))
    require_bounded(pairs)
    return await scorer.score(pairs)


async def evaluate(
    open_work: OpenUnitOfWork, scorer: Scorer, caller: Caller, asked: Asked, now: datetime
) -> Evaluation:
    """The report that is asked for, not kept yet.

    Raises LaceError INVALID_ARGUMENT, EVALUATION_SET_NOT_FOUND, EVALUATION_LIMIT_EXCEEDED, ARTIFACT_NOT_FOUND,
    REVISION_NOT_FOUND, ARTIFACT_EMPTY.
    """
    require_sound(_misuse(asked))
    if asked.artifact_id:
        return await _of_document(open_work, scorer, caller, asked, now)
    pairs = named_set(asked.set_name).pairs if asked.set_name else asked.pairs
    require_sound(problems(pairs))
    require_bounded(pairs)
    scored = asked.verdicts or await scorer.score(pairs)
    found = _reported(pairs, scored)
    # What a caller gives may be out of sources that others may not see; a named set is for everybody.
    labels = () if asked.set_name else tuple(sorted(caller.labels))
    return _evaluation(caller, asked, found, now, labels)


def _misuse(asked: Asked) -> list[Detail]:
    wrong = []
    if sum(map(bool, (asked.set_name, asked.pairs, asked.artifact_id))) != 1:
        wrong.append(Detail("/", "needs just one of set, pairs and artifact_id"))
    if asked.revision_id and not asked.artifact_id:
        wrong.append(Detail("/revision_id", "needs the artifact_id of its document"))
    if asked.verdicts and asked.artifact_id:
        wrong.append(Detail("/verdicts", "are on pairs; a document is measured by the built-in verifier"))
    if bool(asked.verdicts) != (asked.scorer != BUILTIN):
        wrong.append(Detail("/scorer", "needs a name of its own with verdicts, and verdicts with a name"))
    return wrong


def _reported(pairs: Sequence[Pair], scored: Sequence[Scored]) -> PairReport:
    known = {pair.id for pair in pairs}
    by_id: dict[str, Scored] = {}
    wrong = []
    for index, own in enumerate(scored):
        if own.id not in known or own.id in by_id:
            wrong.append(Detail(f"/verdicts/{index}/id", "names no pair, or one that has a verdict already"))
        by_id[own.id] = own
    missing = [pair.id for pair in pairs if pair.id not in by_id]
    if missing:
        wrong.append(Detail("/verdicts", f"lack one on {', '.join(missing[:5])}, {len(missing)} in all"))
    require_sound(wrong)
    return report(pairs, by_id)


async def _of_document(
    open_work: OpenUnitOfWork, scorer: Scorer, caller: Caller, asked: Asked, now: datetime
) -> Evaluation:
    async with open_work(caller.tenant_id) as work:
        await require_visible(work, caller, asked.artifact_id, asked.revision_id)
        shown = await show(work, caller.tenant_id, asked.artifact_id, asked.revision_id)
        if shown.revision is None:
            raise LaceError(Reason.ARTIFACT_EMPTY, f"{asked.artifact_id} has no committed revision yet.")
        revision_id = shown.revision.revision_id
        labels = await work.artifacts.labels(caller.tenant_id, asked.artifact_id, revision_id)
    found = await scorer.measure(shown.document)
    return _evaluation(caller, asked, found, now, tuple(sorted(labels)), revision_id)


def _evaluation(
    caller: Caller,
    asked: Asked,
    found: PairReport | CitationReport,
    now: datetime,
    labels: tuple[str, ...],
    revision_id: str = "",
) -> Evaluation:
    return Evaluation(
        tenant_id=caller.tenant_id,
        evaluation_id=derive("evl", caller.tenant_id, caller.principal_id, caller.idempotency_key),
        title=asked.title,
        set_name=asked.set_name,
        artifact_id=asked.artifact_id,
        revision_id=revision_id,
        scorer=asked.scorer,
        report=found,
        labels=labels,
        created_by=caller.principal_id,
        created_at=now,
    )
