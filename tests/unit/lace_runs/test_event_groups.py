"""Events that stand together in a row come back as they were, and rows are never longer than a page allows for."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
from hypothesis import given
from hypothesis import strategies as st

from lace_runs.adapters.event_groups import MOST, drafts_of, groups_of
from lace_runs.adapters.events import events_of
from lace_runs.domain.events import Cause, EventDraft, event_id_of

_NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_WORD = st.text("abc_", max_size=4)
_EVENTS = st.builds(
    EventDraft,
    st.sampled_from(["pipeline.step.started", "pipeline.run.progress"]),
    st.fixed_dictionaries({"step_started": st.dictionaries(_WORD, _WORD, max_size=2)}),
    st.datetimes(datetime(1960, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)),
    _WORD,
    _WORD,
    st.integers(1, 9),
    st.sampled_from(["none", "hash", "sample"]),
    _WORD,
    _WORD,
    st.integers(1, 3),
    st.none() | st.builds(Cause, _WORD, _WORD, _WORD, _WORD),
)


@given(st.lists(_EVENTS, max_size=5))
def test_events_come_back_as_they_were(events: list[EventDraft]) -> None:
    groups = orjson.loads(orjson.dumps(groups_of(events)))
    assert [draft for group in groups for draft in drafts_of(group["events"])] == events


def test_what_is_as_it_is_by_default_is_not_said() -> None:
    [group] = groups_of([EventDraft("pipeline.step.started", {"step_started": {}}, _NOON, "running", "plan")])
    assert group == {
        "place": 0,
        "events": [["pipeline.step.started", 1795262400000000, "running", "plan", 1, {"step_started": {}}]],
    }


def test_a_boundary_with_very_many_events_has_several_rows() -> None:
    warned = EventDraft("pipeline.warning", {"warning": {}}, _NOON)
    groups = groups_of([warned] * (2 * MOST + 1))
    assert [group["place"] for group in groups] == [MOST - 1, 2 * MOST - 1, 2 * MOST]
    assert [len(group["events"]) for group in groups] == [MOST, MOST, 1]
    assert groups_of([]) == []


def test_a_rows_events_have_its_places_and_only_those_after_the_cursor_are_made() -> None:
    drafts = [EventDraft("pipeline.warning", {"warning": {}}, _NOON, cause=cause) for cause in (None, _CAUSE, None)]
    [group] = orjson.loads(orjson.dumps(groups_of(drafts)))
    row = ("running", "noop10", "req", "cor", "idk", "tra", "ten_1", "run_1", 9, 50.0, 2, group["events"], 11)
    events = events_of(row)
    assert [(event.sequence, event.event_id) for event in events] == [(n, event_id_of("run_1", n)) for n in (7, 8, 9)]
    assert [event.request_id for event in events] == ["req", "req_2", "req"]
    for after, left in ((0, 3), (6, 3), (7, 2), (9, 0)):
        assert events_of(row, after) == events[3 - left :], after


_CAUSE = Cause("req_2", "cor_2", "idk_2", "tra_2")
