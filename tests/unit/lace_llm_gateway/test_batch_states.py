"""The table of a batch's states, walked pair by pair, and the order of its runs."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pytest

from lace_llm_gateway.domain.batches import (
    Batch,
    BatchState,
    DriftPolicy,
    ExecutionMode,
    ModelLock,
    can_move,
)
from lace_llm_gateway.domain.stored_templates import GroundingMode

ALLOWED = {
    ("queued", "running"), ("queued", "paused"), ("queued", "cancelled"),
    ("running", "pausing"), ("running", "paused"), ("running", "completed"), ("running", "failed"),
    ("running", "cancelled"),
    ("pausing", "paused"), ("pausing", "completed"), ("pausing", "failed"), ("pausing", "cancelled"),
    ("paused", "queued"), ("paused", "cancelled"),
    ("completed", "queued"),
}  # fmt: skip
AT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(("state", "to"), list(product(BatchState, BatchState)))
def test_every_pair_is_allowed_or_refused(state: BatchState, to: BatchState) -> None:
    assert can_move(state, to) == ((state.value, to.value) in ALLOWED)


def test_what_is_live_is_not_ended() -> None:
    assert {state for state in BatchState if state.live and state.ended} == set()
    assert [state for state in BatchState if not state.live and not state.ended] == [BatchState.PAUSED]


def batch(locales: tuple[str, ...], modes: tuple[GroundingMode, ...], replicates: int) -> Batch:
    return Batch(
        "ten_1", "bat_1", "tpl_1", "ab", BatchState.QUEUED, locales, modes, replicates, DriftPolicy.PAUSE,
        ExecutionMode.SYNC, "openai", "gpt-4o", "prn_1", AT, AT,
    )  # fmt: skip


def test_the_order_is_locales_then_modes_then_replicates_as_given() -> None:
    made = batch(("fr", "de"), (GroundingMode.REQUIRED, GroundingMode.NONE), 2)
    cells = [(cell.batch_run_index, cell.locale, cell.mode.value, cell.replicate_index) for cell in made.cells()]
    assert cells == [
        (0, "fr", "required", 0), (1, "fr", "required", 1), (2, "fr", "none", 0), (3, "fr", "none", 1),
        (4, "de", "required", 0), (5, "de", "required", 1), (6, "de", "none", 0), (7, "de", "none", 1),
    ]  # fmt: skip
    assert made.total == len(cells)


def test_the_id_of_a_run_is_that_of_its_place() -> None:
    made = batch(("fr",), (GroundingMode.NONE,), 3)
    ids = [made.run_id(index) for index in range(3)]
    assert len(set(ids)) == 3
    assert ids == [batch(("fr",), (GroundingMode.NONE,), 3).run_id(index) for index in range(3)]


@pytest.mark.parametrize(
    ("version", "fingerprint", "differs"),
    [
        ("m-1", "fp_1", False),
        ("m-2", "fp_1", True),
        ("m-1", "fp_2", True),
        ("m-1", "", False),  # this API of the provider tells none
        ("", "fp_1", True),
    ],
)
def test_a_lock_compares_versions_always_and_fingerprints_where_both_are_told(
    version: str, fingerprint: str, differs: bool
) -> None:
    assert ModelLock("m-1", "fp_1").differs(version, fingerprint) is differs


def test_a_lock_without_a_fingerprint_compares_versions() -> None:
    assert not ModelLock("m-1", "").differs("m-1", "fp_9")
    assert ModelLock("m-1", "").differs("m-2", "")
