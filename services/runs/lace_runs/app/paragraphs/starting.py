"""Starting the runs that write and verify a paragraph."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lace_runs.app.paragraphs.specs import locked
from lace_runs.app.paragraphs.writing import no_text, taken
from lace_runs.app.ports import Caller, Resolved, UnitOfWork
from lace_runs.app.runs import Start, start_run
from lace_runs.domain.paragraphs.records import GENERATE, Paragraph
from lace_runs.domain.runs import Request


def start_of(pipeline_id: str, paragraph_id: str, overrides: Mapping[str, Any]) -> Start:
    """What is asked of the run, as far as it is known without the paragraph."""
    return Start(pipeline_id, Request(paragraph_id=paragraph_id), overrides=overrides)


async def start(
    work: UnitOfWork, caller: Caller, asked: Start, etag: str, resolved: Resolved, now: datetime
) -> Paragraph:
    """The paragraph in the hands of its new run; the caller commits.

    Raises LaceError PARAGRAPH_NOT_FOUND, ETAG_MISMATCH, PARAGRAPH_TRANSITION_ILLEGAL, PARAGRAPH_EMPTY where there is
    nothing to verify, RATE_LIMITED, QUOTA_EXCEEDED.
    """
    paragraph = await locked(work, caller, asked.request.paragraph_id, etag)
    if asked.pipeline_id != GENERATE and not paragraph.text_version:
        raise no_text(paragraph)
    spec = paragraph.spec
    request = Request(paragraph_id=paragraph.paragraph_id, title=spec.title, language=spec.language)
    run = await start_run(work, caller, Start(asked.pipeline_id, request, overrides=asked.overrides), resolved, now)
    return await work.paragraphs.save(caller.tenant_id, taken(paragraph, run.run_id, run.pipeline_id, now))
