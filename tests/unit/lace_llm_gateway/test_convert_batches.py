"""A batch comes back from the contract's message as it went in, and messages from the queue say what they ask for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace.llm_gateway.v1 import templates_pb2 as wire
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.api.convert_batches import (
    BatchAnswers,
    RequestedBatch,
    ask_of,
    batch_message,
    requested_of,
    requested_payload,
    state_of,
)
from lace_llm_gateway.app.batches.batching import BatchView
from lace_llm_gateway.domain.batches import Batch, BatchState, DriftPolicy, ExecutionMode, ModelLock, Progress
from lace_llm_gateway.domain.stored_templates import GroundingMode

_TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
_TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
_COUNT = st.integers(0, 2**31 - 1)
_LOCKS = st.builds(ModelLock, _TEXT.filter(bool), _TEXT)
_BATCHES = st.builds(
    Batch, tenant_id=st.just(""), batch_id=_TEXT, template_id=_TEXT, template_sha256=_TEXT,
    state=st.sampled_from(BatchState), locales=st.lists(_TEXT, min_size=1, max_size=3).map(tuple),
    modes=st.lists(st.sampled_from(GroundingMode), min_size=1, max_size=3).map(tuple), replicates=st.integers(1, 9),
    drift_policy=st.sampled_from(DriftPolicy), execution_mode=st.sampled_from(ExecutionMode), provider=_TEXT,
    model=_TEXT, created_by=_TEXT, created_at=_TIMES, updated_at=_TIMES, lock=st.none() | _LOCKS, error_code=_TEXT,
    error_message=_TEXT,
)  # fmt: skip
_PROGRESS = st.builds(Progress, *[_COUNT] * 7)


@given(_BATCHES, _PROGRESS)
def test_a_kept_answer_is_told_again_to_the_letter(batch: Batch, progress: Progress) -> None:
    view, answers = BatchView(batch, progress), BatchAnswers()
    again = answers.decode(answers.encode(view))
    assert again == view
    assert batch_message(again) == batch_message(view)
    assert batch_message(view).total == batch.total


def test_every_field_of_the_message_is_set() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    batch = Batch(
        "ten_1", "bat_1", "tpl_1", "ab", BatchState.PAUSED, ("fr",), (GroundingMode.NONE,), 3, DriftPolicy.PAUSE,
        ExecutionMode.SYNC, "openai", "gpt-4o", "prn_1", at, at, lock=ModelLock("v", "fp"), error_code="E",
        error_message="e",
    )  # fmt: skip
    told = {field.name for field, _ in batch_message(BatchView(batch, Progress(1, 1, 1, 1, 1, 1, 1))).ListFields()}
    assert told == {field.name for field in wire.Batch.DESCRIPTOR.fields}


def test_what_is_left_out_of_a_request_has_its_default() -> None:
    asked = ask_of(wire.RunBatchRequest(template_id="tpl_1"))
    assert (asked.locales, asked.modes, asked.replicates, asked.drift_policy) == ((), (), 1, DriftPolicy.PAUSE)
    assert state_of(wire.ListBatchesRequest()) is None


def test_a_message_asks_for_a_batch_or_for_a_run() -> None:
    assert requested_of(requested_payload("ten_1", "bat_1", 2, "")) == RequestedBatch("ten_1", "bat_1", "")
    assert requested_of(requested_payload("ten_1", "", 1, "trn_1")) == RequestedBatch("ten_1", "", "trn_1")
    for payload in (requested_payload("ten_1", "", 1, ""), requested_payload("ten_1", "bat_1", 1, "trn_1")):
        with pytest.raises(LaceError) as wrong:
            requested_of(payload)
        assert wrong.value.reason is Reason.INVALID_ARGUMENT
