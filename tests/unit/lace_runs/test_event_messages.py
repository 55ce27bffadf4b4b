"""Events on the wire: the fast way gives what the plain converter gives, and batches fit every client."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st

from lace.common.v1 import event_pb2
from lace.runs.v1 import runs_pb2
from lace_core.errors import LaceError
from lace_proto import json as wire_json
from lace_proto.json_plain import is_plain
from lace_runs.api import convert_events as convert
from lace_runs.api import event_batches
from lace_runs.domain.events import SCHEMA_VERSION, Event, EventDraft, event_id_of

_text = st.text(st.characters(codec="utf-8"), max_size=12)
_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**53), 2**53),
    FieldDescriptor.TYPE_STRING: _text,
}
_KINDS = event_pb2.EventPayload.DESCRIPTOR.fields


def _value(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    one = _SCALARS[field.type] if field.message_type is None else _form(field.message_type)
    return st.lists(one, max_size=2) if field.is_repeated else one


def _form(descriptor: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={field.name: _value(field) for field in descriptor.fields})


_payloads = st.one_of([st.fixed_dictionaries({kind.name: _value(kind)}) for kind in _KINDS])
_drafts = st.builds(
    EventDraft,
    event_type=_text,
    payload=_payloads,
    occurred_at=st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)),
    status=_text,
    step_id=_text,
    attempt=st.integers(1, 9),
    redaction_level=st.sampled_from(["none", "sample", "hash"]),
    content_hash=_text,
    content_uri=_text,
    payload_schema_version=st.integers(1, 2),
)
_events = st.builds(
    Event,
    *(_text, st.integers(1, 2**53), _text, _text, _text, _drafts),
    *(st.floats(0, 100), _text, _text, _text, _text, st.integers(1, 2)),
)


def _plainly(event: Event) -> event_pb2.RunEvent:
    """By the one mapping between messages and JSON, as everything else."""
    draft = event.draft
    form = {name: value for name, value in vars(event).items() if name != "draft"}
    form |= {name: value for name, value in vars(draft).items() if name not in ("cause", "occurred_at")}
    form["occurred_at"] = draft.occurred_at.isoformat().replace("+00:00", "Z")
    return wire_json.from_python(event_pb2.RunEvent, form)


@given(_events)
def test_an_event_is_what_the_plain_converter_makes_of_it(event: Event) -> None:
    message = convert.event_message(event)
    assert message == _plainly(event)
    assert message.SerializeToString(deterministic=True) == _plainly(event).SerializeToString(deterministic=True)


@pytest.mark.parametrize(
    "payload",
    [
        {"step_completed": {"nobody_knows": 1}},
        {"step_completed": {"duration_ms": "long"}},
        {"step_completed": {"duration_ms": 2**70}},
        {"step_completed": {"summary": 5}},
        {"of_tomorrow": {}},
    ],
)
def test_a_payload_that_does_not_fit_is_refused_with_its_place(payload: dict[str, Any]) -> None:
    with pytest.raises(LaceError) as refused:
        convert.event_message(_event(1, payload))
    assert refused.value.details


def test_what_is_plain() -> None:
    assert is_plain(event_pb2.EventPayload.DESCRIPTOR)
    assert not is_plain(event_pb2.RunEvent.DESCRIPTOR)  # an enum and a time
    assert not is_plain(runs_pb2.StartRunRequest.DESCRIPTOR)  # free JSON


def _event(sequence: int, payload: dict[str, Any]) -> Event:
    draft = EventDraft("pipeline.step.completed", payload, datetime(2026, 1, 1, tzinfo=UTC))
    event_id = event_id_of("run_1", sequence)
    return Event(event_id, sequence, "ten_1", "run_1", "generate", draft, 0, "", "", "", "", SCHEMA_VERSION)


@given(st.lists(st.integers(0, 3000), max_size=40))
def test_batches_hold_all_events_in_order_and_fit(sizes: list[int]) -> None:
    events = [_event(n, {"step_completed": {"summary": "x" * size}}) for n, size in enumerate(sizes, 1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_batches, "MAX_BATCH_BYTES", 2000)
        batches = list(event_batches.batches(events, SCHEMA_VERSION))
        assert event_batches.first_batch(events, SCHEMA_VERSION) == (batches[0] if batches else [])
    assert [message.sequence for batch in batches for message in batch] == list(range(1, len(sizes) + 1))
    assert all(len(batch) == 1 or sum(message.ByteSize() for message in batch) <= 2000 for batch in batches)


def test_the_bound_leaves_room_below_what_clients_take() -> None:
    largest = [_event(n, {"step_completed": {"summary": "x" * 262_144}}) for n in range(1, 9)]
    answer = runs_pb2.WatchRunResponse(events=event_batches.first_batch(largest, SCHEMA_VERSION))
    assert answer.ByteSize() < 4_000_000 / 3
