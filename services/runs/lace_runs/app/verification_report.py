"""What a compiled document tells of its verification, read from its revision's verdicts, which never change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lace_core.errors import LaceError, Reason
from lace_core.verification.report import Row, RunNote, encode, report_of
from lace_core.verification.verdicts import Acceptance
from lace_runs.app.ports import OpenUnitOfWork, UnitOfWork
from lace_runs.domain.verdicts import WantedVerdicts

_PAGE = 1000


async def verification_of(open_work: OpenUnitOfWork, tenant_id: str, artifact_id: str, revision_id: str) -> str:
    """The report of a committed revision as JSON: the same whenever it is asked for."""
    async with open_work(tenant_id) as work:
        rows = await _rows(work, tenant_id, WantedVerdicts(artifact_id, revision_id))
        notes = await _notes(work, tenant_id, {row.run_id for row in rows if row.run_id})
    return encode(report_of(revision_id, rows, notes))


async def _rows(work: UnitOfWork, tenant_id: str, wanted: WantedVerdicts) -> list[Row]:
    found: list[Row] = []
    after = 0
    while True:
        page = await work.artifacts.verdicts(tenant_id, wanted, after, _PAGE)
        found.extend(_row(row) for _, row in page)
        if len(page) < _PAGE:
            return found
        after = page[-1][0]


def _row(row: Mapping[str, Any]) -> Row:
    accepted = row["acceptance"]
    return Row(
        sentence_id=row["sentence_id"],
        verdict=row["verdict"],
        reasons=row["reasons"],
        in_document=row["in_document"],
        run_id=row["run_id"],
        standing=row["standing"],
        acceptance=msgspec.convert(accepted, Acceptance) if accepted else None,
        verifier=row["verifier"],
        by_judge=any(layer.get("call_id") for layer in row["layers"]),
    )


async def _notes(work: UnitOfWork, tenant_id: str, run_ids: Iterable[str]) -> list[RunNote]:
    notes = []
    for run_id in sorted(run_ids):
        try:
            run = await work.runs.get(tenant_id, run_id)
        except LaceError as error:
            if error.reason is not Reason.RUN_NOT_FOUND:
                raise
            continue
        model = "/".join(filter(None, (run.settings.get("llm.provider", ""), run.settings.get("llm.model", ""))))
        notes.append(RunNote(run_id=run_id, pipeline=f"{run.pipeline_id} {run.pipeline_version}", model=model))
    return notes
