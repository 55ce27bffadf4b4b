"""Versions of the event schema: what an older release wrote and an older client understands, to the letter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from lace.common.v1 import event_pb2
from lace_core.errors import LaceError, Reason
from lace_proto import json as wire_json
from lace_runs.api import convert_events as convert
from lace_runs.domain.event_types import EVENT_TYPES
from lace_runs.domain.event_versions import CASTS, Cast, as_version, asked_version, cast_payload
from lace_runs.domain.events import SCHEMA_VERSION, Event, EventDraft, payload_version

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "events"
TYPES = sorted(EVENT_TYPES)
PROGRESS = "pipeline.run.progress"


def frozen(version: int, event_type: str) -> dict[str, Any]:
    """An event as that version of the schema has it."""
    found: dict[str, Any] = json.loads((GOLDEN / f"v{version}" / f"{event_type}.json").read_text())
    return found


def stored(told: Mapping[str, Any]) -> Event:
    """The event as the release that told it has left it in the table."""
    values = {name: told[name] for name in told if name in Event.__dataclass_fields__}
    draft = EventDraft(
        payload=told["payload"],
        occurred_at=datetime.fromisoformat(told["occurred_at"]),
        **{
            name: told[name]
            for name in EventDraft.__dataclass_fields__
            if name in told and name not in ("payload", "occurred_at")
        },
    )
    return Event(draft=draft, **values)


def served(event: Event, version: int) -> Any:
    """What a client that asks for the version is given."""
    return wire_json.to_python(convert.event_message(as_version(event, version)))


def pruned(told: Any, like: Any) -> Any:
    """What was told without members that the fixture does not have: those may be added within a version."""
    if isinstance(like, dict):
        return {name: pruned(told[name], like[name]) for name in like if name in told}
    return [pruned(*pair) for pair in zip(told, like, strict=True)] if isinstance(like, list) else told


@pytest.mark.parametrize("event_type", TYPES)
@pytest.mark.parametrize("written", [1, 2])
@pytest.mark.parametrize("asked", [1, 2])
def test_what_either_release_wrote_is_served_in_either_version(event_type: str, written: int, asked: int) -> None:
    told, expected = served(stored(frozen(written, event_type)), asked), frozen(asked, event_type)
    assert pruned(told, expected) == expected
    assert list(told["payload"]) == list(expected["payload"])


def test_there_is_a_fixture_of_every_type_and_of_nothing_else() -> None:
    for version in (1, 2):
        assert sorted(path.stem for path in (GOLDEN / f"v{version}").iterdir()) == TYPES


def released_event() -> type[Message]:
    """The event as clients of the last release were built on it."""
    pool = descriptor_pool.DescriptorPool()
    image = descriptor_pb2.FileDescriptorSet.FromString((ROOT / "proto" / "released.binpb").read_bytes())
    for file in image.file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("lace.common.v1.RunEvent"))


@pytest.mark.parametrize("event_type", TYPES)
def test_a_client_of_the_last_release_understands_every_event_of_its_version(event_type: str) -> None:
    told = served(stored(frozen(2, event_type)), 1)
    kind = released_event()
    expected = frozen(1, event_type)
    payload = kind.DESCRIPTOR.fields_by_name["payload"].message_type
    assert payload is not None
    # Of a type that is newer than itself the release sees the envelope.
    if not set(expected["payload"]) <= set(payload.fields_by_name):
        expected["payload"] = {}
    assert wire_json.to_python(wire_json.from_python(kind, told, tolerant=True)) == expected
    by_grpc = kind()
    by_grpc.ParseFromString(convert.event_message(as_version(stored(frozen(2, event_type)), 1)).SerializeToString())
    assert wire_json.to_python(by_grpc) == expected


def test_the_second_version_breaks_the_shape_of_the_first() -> None:
    new = frozen(2, PROGRESS)
    understood = wire_json.from_python(released_event(), new, tolerant=True)
    assert wire_json.to_python(understood)["payload"] == {}


@pytest.mark.parametrize("event_type", TYPES)
def test_each_payload_is_the_member_that_the_table_names(event_type: str) -> None:
    told = frozen(SCHEMA_VERSION, event_type)
    assert list(told["payload"]) == [EVENT_TYPES[event_type].member]
    assert EVENT_TYPES[event_type].member in event_pb2.EventPayload.DESCRIPTOR.fields_by_name
    assert told["payload_schema_version"] == payload_version(event_type)
    assert EVENT_TYPES[event_type].about in ("either", "step" if told["step_id"] else "run")


progress_of_first = st.fixed_dictionaries(
    {
        "steps_done": st.integers(0, 99),
        "steps_total": st.integers(0, 99),
        "node_title": st.text(max_size=9),
        "remaining_ms": st.integers(-1, 10**9),
    }
)


@given(progress_of_first)
def test_a_payload_of_the_first_version_comes_back_unchanged_from_the_second(payload: dict[str, Any]) -> None:
    there = cast_payload(PROGRESS, {"run_progress": payload}, 1, 2)
    assert ("remaining_ms" in there["run_progress_v2"]) == (payload["remaining_ms"] >= 0)
    assert ("node" in there["run_progress_v2"]) == bool(payload["node_title"])
    assert cast_payload(PROGRESS, there, 2, 1) == {"run_progress": payload}


def test_an_event_that_has_the_version_already_is_given_as_it_is() -> None:
    event = stored(frozen(2, PROGRESS))
    assert as_version(event, 2) is event


def test_a_client_of_the_first_version_is_told_sample_where_there_is_no_sample() -> None:
    event = stored(frozen(2, "pipeline.llm.prompt"))
    hidden = replace(event, draft=replace(event.draft, redaction_level="hash"))
    assert served(hidden, 1)["redaction_level"] == "sample"
    assert served(hidden, 2)["redaction_level"] == "hash"


@pytest.mark.parametrize(("asked", "given_version"), [(0, 2), (1, 1), (2, 2)])
def test_the_newest_version_and_the_one_before_it_are_served(asked: int, given_version: int) -> None:
    assert asked_version(asked) == given_version


@pytest.mark.parametrize("asked", [-1, 3, 99])
def test_other_versions_are_refused(asked: int) -> None:
    with pytest.raises(LaceError) as refused:
        asked_version(asked)
    assert refused.value.reason is Reason.EVENT_SCHEMA_UNSUPPORTED


def test_casts_form_a_chain() -> None:
    def marked(word: str) -> Cast:
        return lambda payload: {**payload, "way": [*payload["way"], word]}

    casts = {("t", n, n + 1): marked(f"{n}-{n + 1}") for n in range(1, 5)}
    assert cast_payload("t", {"way": []}, 1, 5, casts)["way"] == ["1-2", "2-3", "3-4", "4-5"]


def test_a_chain_that_does_not_end_is_broken_off() -> None:
    endless = {("t", n, n + 1): lambda payload: payload for n in range(1, 500)}
    with pytest.raises(LaceError) as refused:
        cast_payload("t", {}, 1, 400, endless)
    assert refused.value.reason is Reason.SCHEMA_TOO_NEW


def test_an_event_of_a_newer_release_is_served_where_its_payload_is_known_and_named_where_not() -> None:
    event = replace(stored(frozen(2, "pipeline.step.started")), schema_version=3)
    assert pruned(served(event, 2), frozen(2, "pipeline.step.started")) == frozen(2, "pipeline.step.started")
    progress = stored(frozen(2, PROGRESS))
    newer = replace(progress, schema_version=3, draft=replace(progress.draft, payload_schema_version=3))
    with pytest.raises(LaceError) as refused:
        as_version(newer, 2)
    assert (refused.value.reason, refused.value.retryable) == (Reason.SCHEMA_TOO_NEW, True)


def test_each_cast_goes_one_version_up_or_down() -> None:
    assert all(abs(after - before) == 1 for _, before, after in CASTS)
