"""What a run has spent of its deadline: time since its first step, without that in which it stood paused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lace_runs.domain.runs import Request, Run, RunState

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = BEGAN + timedelta(hours=1)
RUN = Run(
    tenant_id="ten_1",
    run_id="run_1",
    pipeline_id="noop10",
    pipeline_version=1,
    state=RunState.RUNNING,
    request=Request(),
    artifact_id="",
    requested_by="prn_1",
    settings={},
    settings_hash="",
    settings_uri="",
    scopes=(),
    labels=(),
    request_id="req",
    correlation_id="cor",
    idempotency_key="key",
    traceparent="",
    created_at=BEGAN - timedelta(hours=5),
)


@pytest.mark.parametrize(
    ("started_at", "paused_at", "stood_ms", "seconds"),
    [
        (None, None, 0, 0.0),
        (BEGAN, None, 0, 3600.0),
        (BEGAN, None, 1_800_500, 1799.5),
        (BEGAN, BEGAN + timedelta(seconds=20), 0, 20.0),
        (BEGAN, BEGAN + timedelta(seconds=20), 5_000, 15.0),
        (BEGAN, BEGAN + timedelta(seconds=4), 5_000, 0.0),  # two clocks that differ by a little
    ],
    ids=["not begun", "never paused", "paused before", "stands", "stands again", "clocks differ"],
)
def test_time_in_which_it_stood_is_not_spent(
    started_at: datetime | None, paused_at: datetime | None, stood_ms: int, seconds: float
) -> None:
    run = replace(RUN, started_at=started_at, paused_at=paused_at, stood_ms=stood_ms)
    assert run.spent_s(NOW) == seconds
