"""`lace dlq` against an API that answers as it is told."""

from __future__ import annotations

import json
from typing import Any

from lace_cli.failures import WRONG_USE
from tests.doubles.scripted_api import ScriptedApi
from tests.unit.lace_cli.conftest import Lace

LETTER: dict[str, Any] = {
    "dead_letter_id": "dlt_1",
    "tenant_id": "ten_a",
    "topic": "compile.requested",
    "key": "run_1",
    "group": "compiler",
    "event_id": "evt_1",
    "state": "dead",
    "error_code": "COMPILE_TARGET_UNKNOWN",
    "error_message": "LaceError: No target epub.",
    "attempts": 1,
    "created_at": "2026-11-21T12:00:00Z",
    "died_at": "2026-11-21T12:00:01Z",
}
REDRIVEN = {**LETTER, "state": "redriven", "settled_by": "prn_1", "settled_at": "2026-11-21T13:00:00Z"}


def test_letters_are_listed_with_what_they_died_of(api: ScriptedApi, lace: Lace) -> None:
    second = {**LETTER, "dead_letter_id": "dlt_2", "error_code": ""}
    api.on("GET", "/v1/dead-letters", {"dead_letters": [LETTER, second]})
    told = lace("dlq", "list", "--topic", "compile.requested")
    assert told.code == 0, told.err
    assert api.last("GET").query["state"] == ["dead"]
    assert api.last("GET").query["topic"] == ["compile.requested"]
    rows = [line.split("\t") for line in told.out.splitlines()]
    assert [(row[0], row[2], row[5], row[6]) for row in rows] == [
        ("dlt_1", "compile.requested", "dead", "COMPILE_TARGET_UNKNOWN"),
        ("dlt_2", "compile.requested", "dead", "LaceError: No target epub."),
    ]


def test_all_states_are_asked_for_by_naming_none(api: ScriptedApi, lace: Lace) -> None:
    api.on("GET", "/v1/dead-letters", {"dead_letters": [REDRIVEN]})
    assert "redriven" in lace("dlq", "list", "--state", "all").out
    assert "state" not in api.last("GET").query
    assert lace("dlq", "list", "--state", "gone").code == WRONG_USE


def test_one_is_shown_with_its_payload(api: ScriptedApi, lace: Lace) -> None:
    api.on(
        "GET",
        "/v1/dead-letters/dlt_1",
        {**LETTER, "payload": '{"target":"epub"}', "headers": {"correlation_id": "c-1"}, "redrive_of": "dlt_0"},
    )
    out = lace("dlq", "show", "dlt_1").out
    for text in ("COMPILE_TARGET_UNKNOWN", "c-1", "dlt_0", '  "target": "epub"', "compiler"):
        assert text in out
    assert json.loads(lace("dlq", "show", "dlt_1", "--json").out)["payload"] == '{"target":"epub"}'


def test_a_letter_is_redriven_under_a_key_of_its_own(api: ScriptedApi, lace: Lace) -> None:
    api.on("POST", "/v1/dead-letters/dlt_1:redrive", REDRIVEN)
    told = lace("dlq", "redrive", "dlt_1")
    assert told.code == 0, told.err
    assert "Sent evt_1 to compiler again" in told.out
    assert api.last("POST").headers["idempotency-key"] == "redrive-dlt_1"


def test_all_of_a_topic_are_redriven_oldest_first_once_that_is_agreed(api: ScriptedApi, lace: Lace) -> None:
    newer = {**LETTER, "dead_letter_id": "dlt_2"}
    api.on("GET", "/v1/dead-letters", {"dead_letters": [newer, LETTER]})
    asked = lace("dlq", "redrive", "--topic", "compile.requested", "--all")
    assert asked.code == WRONG_USE
    assert "2 messages" in asked.err
    assert "--yes" in asked.err
    api.on("POST", "/v1/dead-letters/dlt_1:redrive", REDRIVEN)
    api.on("POST", "/v1/dead-letters/dlt_2:redrive", {**REDRIVEN, "dead_letter_id": "dlt_2"})
    told = lace("dlq", "redrive", "--topic", "compile.requested", "--all", "--yes")
    assert told.code == 0, told.err
    assert ["dlt_1" in line or "dlt_2" in line for line in told.out.splitlines()] == [True, True]
    assert "dlt_1" in told.out.splitlines()[0]


def test_half_of_a_wish_is_refused(api: ScriptedApi, lace: Lace) -> None:
    for wish in ([], ["--all"], ["--topic", "compile.requested"], ["dlt_1", "--topic", "compile.requested", "--all"]):
        assert lace("dlq", "redrive", *wish).code == WRONG_USE, wish


def test_one_is_put_away_with_a_reason(api: ScriptedApi, lace: Lace) -> None:
    api.on("POST", "/v1/dead-letters/dlt_1:discard", {**REDRIVEN, "state": "discarded"})
    assert "Discarded dlt_1" in lace("dlq", "discard", "dlt_1", "--reason", "not needed").out
    assert api.last("POST").json == {"reason": "not needed"}
