"""`lace events`: what it asks the API for, and what it prints of what comes."""

from __future__ import annotations

import hashlib
import json

from lace_cli.failures import NOT_ALLOWED
from tests.doubles.scripted_api import ScriptedApi
from tests.unit.lace_cli.conftest import Lace, story

REPLAY = "/v1/runs/run_1/events/replay"
CONTENT = "/v1/runs/run_1/events/evt_1_3/content"
PROMPT = '[{"content":"Say it.","role":"user"}]'


def test_it_lists_what_there_is_a_line_for_each(api: ScriptedApi, lace: Lace) -> None:
    api.on("GET", REPLAY, {"events": story(), "next_after_event_id": "evt_1_4", "end_of_stream": True})
    told = lace("events", "run_1", "--after", "evt_1_0", "--schema-version", "1")
    assert told.code == 0, told.err
    rows = [line.split("\t") for line in told.out.splitlines()]
    assert [row[0] for row in rows] == ["1", "2", "3", "4"]
    assert rows[1][2:5] == ["step.started", "llm:nod_1", "running"]
    assert api.last("GET").query == {"after_event_id": ["evt_1_0"], "schema_version": ["1"], "page_size": ["500"]}


def test_it_goes_on_from_page_to_page(api: ScriptedApi, lace: Lace) -> None:
    first, *rest = story()
    answers = [
        {"events": [first], "next_after_event_id": "evt_1_1", "end_of_stream": False},
        {"events": rest, "next_after_event_id": "evt_1_4", "end_of_stream": True},
    ]
    api.on("GET", REPLAY, answers[0])
    answer = api.answer

    def turning(asked: object) -> object:
        given = answer(asked)  # type: ignore[arg-type]
        api.on("GET", REPLAY, answers[1])
        return given

    api.answer = turning  # type: ignore[method-assign, assignment]
    lines = [json.loads(line) for line in lace("events", "run_1", "--json").out.splitlines()]
    assert [line["sequence"] for line in lines] == [1, 2, 3, 4]
    assert [asked.query.get("after_event_id") for asked in api.asked] == [None, ["evt_1_1"]]


def test_following_takes_the_stream_and_its_version(api: ScriptedApi, lace: Lace) -> None:
    api.stream("/v1/runs/run_1/stream", story(end="failed"))
    told = lace("events", "run_1", "--follow", "--schema-version", "2")
    assert told.code == 0
    assert "The sources say nothing of it." in told.out.splitlines()[-1]
    assert api.last("GET").query == {"schema_version": ["2"]}


def test_a_content_is_printed_as_it_is_and_compared_with_its_hash(api: ScriptedApi, lace: Lace) -> None:
    answer = {"event_id": "evt_1_3", "content": PROMPT, "content_hash": hashlib.sha256(PROMPT.encode()).hexdigest()}
    api.on("GET", CONTENT, answer)
    assert lace("events", "run_1", "--content", "evt_1_3").out == PROMPT + "\n"
    assert json.loads(lace("events", "run_1", "--content", "evt_1_3", "--json").out)["event_id"] == "evt_1_3"
    api.on("GET", CONTENT, {**answer, "content": "another"})
    told = lace("events", "run_1", "--content", "evt_1_3")
    assert told.code != 0
    assert "BLOB_CORRUPT" in told.err


def test_who_may_not_read_it_is_told_what_it_takes(api: ScriptedApi, lace: Lace) -> None:
    api.refuse("GET", CONTENT, 403, "PERMISSION_DENIED", "This needs the scope payloads:read.")
    told = lace("events", "run_1", "--content", "evt_1_3")
    assert told.code == NOT_ALLOWED
    assert "payloads:read" in told.err
