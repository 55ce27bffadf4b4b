"""How long whole prompts and answers are there, as events and provenance tell it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lace_core.contracts import CONTRACTS
from lace_core.errors import LaceError, Reason
from lace_core.pipeline import PIPELINES
from lace_runs.app.documents.telling import tell_call
from lace_runs.app.event_content import event_content
from lace_runs.app.model_ports import ModelAnswer
from lace_runs.app.ports import Caller, EventPage
from lace_runs.app.step_scope import StepScope
from lace_runs.domain.events import Event, EventDraft, event_id_of
from lace_runs.domain.runs import Run
from tests.unit.lace_runs.test_unsent_logs import RUN

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
URI = "lace-replay/ten_1/run_1/payloads/00"
CALL = {
    "call_id": "cal_1", "provider": "openai", "requested_model": "m", "answered_model": "m", "fingerprint": "",
    "input_hash": "1" * 64, "output_hash": "2" * 64, "prompt_sample": "", "output_sample": "", "repairs": 0,
    "input_tokens": 1, "output_tokens": 1, "cost_micro_usd": 0, "temperature_milli": 0, "template_hash": "",
}  # fmt: skip


def _run(days: int) -> Run:
    return replace(RUN, labels=(), settings={**RUN.settings, "llm.payload_days": days})


def _told(days: int, prompt_uri: str = URI) -> dict[str, Any]:
    step = PIPELINES["generate"].steps[0]
    scope = StepScope(_run(days), step, step.name, 1, AT)
    tell_call(scope, next(iter(CONTRACTS.values())), ModelAnswer("{}", CALL, prompt_uri, "", "sample"), AT)
    [content] = scope.lineage.log(scope.span)["genai"]["contents"]
    found: dict[str, Any] = content
    return found


def test_a_log_links_what_was_kept_and_says_until_when() -> None:
    assert _told(90) == {
        "call_id": "cal_1", "prompt_hash": "1" * 64, "prompt_uri": URI, "output_hash": "2" * 64, "output_uri": "",
        "not_after": "2027-01-30T12:00:00+00:00",
    }  # fmt: skip


def test_what_is_kept_for_ever_or_not_at_all_has_no_end() -> None:
    assert "not_after" not in _told(0)
    assert "not_after" not in _told(90, prompt_uri="")


class Log:
    """A run with one event whose content is gone."""

    def __init__(self, days: int, event_type: str) -> None:
        self._run = _run(days)
        draft = EventDraft(event_type, {}, AT, content_hash="1" * 64, content_uri=URI)
        self._event = Event(event_id_of("run_1", 1), 1, "ten_1", "run_1", "generate", draft, 0, "", "", "", "")
        self.runs = self.events = self

    def open(self, tenant_id: str) -> AbstractAsyncContextManager[Any]:
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Any]:
        yield self

    async def get(self, *ids: str) -> Any:
        if ids[0] == URI:
            raise LaceError(Reason.BLOB_NOT_FOUND, "missing")
        return self._run

    async def page(self, *_: Any) -> EventPage:
        return EventPage([self._event], True, 1)

    async def record(self, *_: Any) -> None:
        raise AssertionError("nothing was read")


@pytest.mark.parametrize(
    ("days", "event_type", "after", "reason"),
    [
        (7, "pipeline.llm.prompt", 8, Reason.EVENT_CONTENT_NOT_FOUND),
        (7, "pipeline.llm.prompt", 6, Reason.BLOB_NOT_FOUND),
        (0, "pipeline.llm.response", 8, Reason.BLOB_NOT_FOUND),
        (7, "pipeline.validation.result", 8, Reason.BLOB_NOT_FOUND),
    ],
)
async def test_content_whose_time_is_over_is_told_from_content_that_is_lost(
    days: int, event_type: str, after: int, reason: Reason
) -> None:
    log: Any = Log(days, event_type)
    who = Caller("ten_1", "prn_1", frozenset(), frozenset(), frozenset(), "req", "cor", "key", "")
    with pytest.raises(LaceError) as failed:
        await event_content(
            log.open, log, log, who, "run_1", event_id_of("run_1", 1), lambda: AT + timedelta(days=after)
        )
    assert failed.value.reason is reason
    assert ("2026-11-08" in failed.value.message) is (reason is Reason.EVENT_CONTENT_NOT_FOUND)
