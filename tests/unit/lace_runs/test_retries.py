"""A step's failures are counted; that a part of the installation is away is waited out."""

from __future__ import annotations

import pytest

from lace_core.errors import LaceError, Reason
from lace_runs.domain.retries import Retries

AWAY = LaceError(Reason.SERVICE_UNAVAILABLE, "away", retryable=True, retry_after=1.0)
BUSY = LaceError(Reason.PROVIDER_UNAVAILABLE, "busy", retryable=True)


def test_failures_are_counted_with_growing_pauses() -> None:
    retries = Retries(3, 600)
    assert [retries.pause_after(BUSY, at) for at in (0.0, 1.0, 2.0)] == [0.5, 2.0, None]


def test_what_cannot_pass_is_not_tried_again() -> None:
    assert Retries(3, 600).pause_after(LaceError(Reason.PROVIDER_CREDENTIALS, "no key"), 0.0) is None


def test_absences_are_waited_out_whatever_their_number() -> None:
    retries = Retries(1, 60)
    pauses = [retries.pause_after(AWAY, at) for at in (0.0, 10.0, 20.0, 59.0)]
    assert pauses == [1.0, 2.0, 8.0, 8.0]
    assert retries.pause_after(AWAY, 60.0) is None


def test_an_absence_begins_anew_after_something_else() -> None:
    retries = Retries(3, 60)
    assert retries.pause_after(AWAY, 0.0) == 1.0
    assert retries.pause_after(BUSY, 50.0) == 0.5
    assert retries.pause_after(AWAY, 70.0) == 1.0


@pytest.mark.parametrize("attempts", [1, 5])
def test_without_time_to_wait_the_first_absence_is_the_last(attempts: int) -> None:
    assert Retries(attempts, 0).pause_after(AWAY, 0.0) is None
