"""`lace ask`, `lace models` and `lace providers` against an API that answers as it is told."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from lace_cli.failures import FAILED, NOT_FOUND, WRONG_USE
from tests.doubles.scripted_api import Answer, ScriptedApi
from tests.unit.lace_cli.conftest import Lace

COMPLETIONS = "/v1/chat/completions"
CAPABILITIES = "/v1/providers/capabilities"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
OFFERED = {
    "providers": [
        {"provider": "anthropic", "models": [{"model": "claude-x", "context_tokens": 200000}]},
        {
            "provider": "openai",
            "configured": True,
            "default_model": "gpt-4.1-mini",
            "models": [
                {
                    "model": "gpt-4.1-mini",
                    "context_tokens": 1047576,
                    "max_output_tokens": 32768,
                    "input_price_micro_usd": 400000,
                    "output_price_micro_usd": 1600000,
                    "price_date": "2025-04-14",
                    "retires_on": "2027-01-14",
                }
            ],
            "measuring_models": [
                {"model": "embed-1", "kind": "embedding", "configured": True, "dimensions": 1536, "max_tokens": 8191},
                {"model": "rank-1", "kind": "rerank"},
            ],
        },
    ]
}


def streams(api: ScriptedApi, *texts: str, finish: str = "stop", model: str = "m-1", error: Any = None) -> None:
    def event(value: Any) -> str:
        return f"data: {json.dumps(value)}\n\n"

    told = [event({"choices": [{"delta": {"content": text}, "finish_reason": None}]}) for text in texts]
    if error is not None:
        told.append(event({"error": error}))
    else:
        last = {"model": model, "call_id": "cal_1", "choices": [{"delta": {}, "finish_reason": finish}]}
        told += [event(last), event({"choices": [], "usage": USAGE}), "data: [DONE]\n\n"]
    headers = {"content-type": "text/event-stream"}
    api.answers["POST", COMPLETIONS] = Answer(200, "".join(told).encode(), headers)


def test_the_answer_is_printed_as_it_comes(api: ScriptedApi, lace: Lace) -> None:
    streams(api, "The bridge ", "is open.")
    told = lace("ask", "Is it open?", "--model", "openai/gpt-4.1-mini", "--system", "Be brief.", "--max-tokens", "9")
    assert (told.code, told.out) == (0, "The bridge is open.\n")
    body = api.last("POST").json
    assert (body["model"], body["max_completion_tokens"]) == ("openai/gpt-4.1-mini", 9)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


def test_the_question_may_come_from_a_pipe(api: ScriptedApi, lace: Lace, monkeypatch: pytest.MonkeyPatch) -> None:
    streams(api, "Yes.\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("From a file?"))
    assert lace("ask", "-").out == "Yes.\n"
    assert api.last("POST").json["messages"][0]["content"] == "From a file?"


def test_an_answer_that_was_cut_says_so(api: ScriptedApi, lace: Lace) -> None:
    streams(api, "Half an", finish="length")
    told = lace("ask", "Tell all.")
    assert told.out == "Half an\n"
    assert "--max-tokens" in told.err


def test_an_answer_that_breaks_off_fails(api: ScriptedApi, lace: Lace) -> None:
    streams(api, "Half an", error={"message": "It broke off.", "error_code": "PROVIDER_UNAVAILABLE"})
    told = lace("ask", "Tell all.")
    assert (told.code, told.out) == (FAILED, "Half an\n")
    assert "It broke off. [PROVIDER_UNAVAILABLE]" in told.err


def test_json_is_asked_for_by_a_schema(api: ScriptedApi, lace: Lace, tmp_path: Path) -> None:
    message = {"role": "assistant", "content": '{"open":true}'}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    api.on("POST", COMPLETIONS, {"id": "cal_1", "model": "m-1", "choices": [choice], "usage": USAGE})
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object"}')
    told = lace("ask", "Open?", "--schema", str(schema), "--json")
    assert told.code == 0, told.err
    assert json.loads(told.out)["text"] == '{"open":true}'
    assert api.last("POST").json["response_format"]["json_schema"]["schema"] == {"type": "object"}
    schema.write_text("{")
    assert lace("ask", "Open?", "--schema", str(schema)).code == WRONG_USE


def test_models_that_can_be_used(api: ScriptedApi, lace: Lace) -> None:
    api.on("GET", CAPABILITIES, OFFERED)
    assert lace("models").out.splitlines() == [
        "openai/gpt-4.1-mini\twrites\t1,047,576\t32,768\t0.4 / 1.6 since 2025-04-14\t2027-01-14",
        "openai/embed-1\tembeds\t8,191\t1536 numbers\t\t",
    ]
    everything = lace("models", "--all").out
    assert "anthropic/claude-x" in everything
    assert "openai/rank-1\treranks" in everything
    assert [each["provider"] for each in json.loads(lace("models", "--json").out)] == ["openai"]


def test_providers_and_whether_they_answer(api: ScriptedApi, lace: Lace) -> None:
    api.on("GET", CAPABILITIES, OFFERED)
    assert lace("providers").out.splitlines()[1] == "openai\tready\t\tgpt-4.1-mini\t3"
    trial = {"provider": "openai", "model": "gpt-4.1-mini", "ok": True, "duration_ms": 420}
    api.on("POST", "/v1/providers/validate", trial)
    assert lace("providers", "validate", "openai").out == "openai/gpt-4.1-mini answered in 420 ms.\n"
    api.on("POST", "/v1/providers/validate", {**trial, "capability": {"retires_on": "2027-01-14"}})
    assert "openai ends gpt-4.1-mini on 2027-01-14" in lace("providers", "validate", "openai").err
    failed = {**trial, "ok": False, "error_code": "PROVIDER_CREDENTIALS", "message": "No key."}
    api.on("POST", "/v1/providers/validate", failed)
    told = lace("providers", "validate", "openai")
    assert (told.code, told.out) == (FAILED, "")
    assert "No key. [PROVIDER_CREDENTIALS]" in told.err


def test_versions_of_a_provider(api: ScriptedApi, lace: Lace) -> None:
    api.on("GET", "/v1/providers/openai/versions", {"versions": ["gpt-a", "gpt-b"], "current": "gpt-b"})
    assert lace("providers", "versions", "openai").out.splitlines() == ["gpt-a\t", "gpt-b\tcurrent"]


def test_an_unknown_model_says_what_to_do(api: ScriptedApi, lace: Lace) -> None:
    error = {"message": "There is no model x.", "code": "model_not_found", "error_code": "MODEL_UNKNOWN"}
    api.on("POST", COMPLETIONS, {"error": error}, status=404)
    told = lace("ask", "Open?", "-m", "x")
    assert told.code in (FAILED, NOT_FOUND)
    assert "lace models" in told.err


def test_the_composer_says_that_it_answers_nothing(api: ScriptedApi, lace: Lace) -> None:
    streams(api, "Open?", model="extractive-1")
    told = lace("ask", "Open?")
    assert (told.code, told.out) == (0, "Open?\n")
    assert "-m PROVIDER/MODEL" in told.err
