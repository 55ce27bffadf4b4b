"""Calling models by the client, against an API that is a function."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from lace_client import Answer, LaceApiError, LaceClient
from lace_core.errors import Reason
from tests.unit.lace_client.test_transport import client, pauses, problem

__all__ = ["pauses"]
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
SCHEMA = {"type": "object", "properties": {"open": {"type": "boolean"}}}


def completion(text: str) -> httpx.Response:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return httpx.Response(200, json={"id": "cal_1", "model": "m-1", "choices": [choice], "usage": USAGE})


def streamed(*events: Any, done: bool = True) -> httpx.Response:
    body = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events)
    return httpx.Response(200, content=body + (b"data: [DONE]\n\n" if done else b""))


def piece(text: str, finish: str | None = None, **more: Any) -> dict[str, Any]:
    delta = {"content": text} if text else {}
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def refusal(status: int, code: str, **more: Any) -> httpx.Response:
    error = {"message": "No.", "type": "x", "param": None, "code": code.lower(), "error_code": code, **more}
    return httpx.Response(status, json={"error": error})


def sent(request: httpx.Request) -> Any:
    return orjson.loads(request.content)


def test_an_answer_in_one() -> None:
    seen: list[httpx.Request] = []
    with client(completion("Yes."), completion("{}"), seen=seen) as api:
        assert api.models.generate("Open?") == Answer("Yes.", "m-1", "stop", "cal_1", 11, 7)
        more: dict[str, Any] = {"temperature": 0.5, "max_output_tokens": 9, "stop": ["END"], "seed": 7}
        api.models.generate([{"role": "system", "content": "Be brief."}], model="p/m", output_schema=SCHEMA, **more)
    plain, full = map(sent, seen)
    assert plain == {"model": "", "messages": [{"role": "user", "content": "Open?"}]}
    assert full["response_format"]["json_schema"]["schema"] == SCHEMA
    assert (full["model"], full["temperature"], full["max_completion_tokens"]) == ("p/m", 0.5, 9)
    assert (full["stop"], full["seed"]) == (["END"], 7)
    assert str(seen[0].url) == "http://lace/v1/chat/completions"


def test_a_stream_gives_its_pieces_and_then_the_whole() -> None:
    seen: list[httpx.Request] = []
    last = piece("", "stop", model="m-1", call_id="cal_1")
    answers = streamed(piece(""), piece("Yes"), piece("."), last, {"choices": [], "usage": USAGE})
    with client(answers, seen=seen) as api:
        stream = api.models.stream("Open?", model="p/m")
        assert stream.answer is None
        assert list(stream) == ["Yes", "."]
        assert stream.answer == Answer("Yes.", "m-1", "stop", "cal_1", 11, 7)
    assert sent(seen[0])["stream"] is True


def test_a_stream_that_fails_or_breaks_off_never_ends_quietly() -> None:
    error = {"error": {"message": "It broke.", "error_code": "PROVIDER_UNAVAILABLE", "retryable": True}}
    for answer, reason in (
        (streamed(piece("Yes"), error, done=False), Reason.PROVIDER_UNAVAILABLE),
        (streamed(piece("Yes"), done=False), Reason.SERVICE_UNAVAILABLE),
        (refusal(404, "MODEL_UNKNOWN"), Reason.MODEL_UNKNOWN),
        (httpx.ReadError("gone"), Reason.SERVICE_UNAVAILABLE),
    ):
        with client(answer) as api:
            stream = api.models.stream("Open?")
            with pytest.raises(LaceApiError) as raised:
                list(stream)
            assert raised.value.reason is reason
            assert stream.answer is None


def test_what_may_pass_is_asked_again_and_what_was_perhaps_paid_for_is_not(pauses: list[float]) -> None:
    with client(refusal(503, "OVERLOADED", retryable=True), completion("Yes.")) as api:
        assert api.models.generate("Open?").text == "Yes."
    assert len(pauses) == 1
    for answer, reason in (
        (refusal(502, "PROVIDER_OUTPUT_INVALID", retryable=False), Reason.PROVIDER_OUTPUT_INVALID),
        (httpx.ReadTimeout("slow"), Reason.SERVICE_UNAVAILABLE),
        (httpx.Response(502, text="<html>"), Reason.INTERNAL),
    ):
        with client(answer) as api, pytest.raises(LaceApiError) as raised:
            _ask_once(api)
        assert raised.value.reason is reason


def _ask_once(api: LaceClient) -> None:
    """A second try would find no answer left, which is an error of another kind."""
    api.models._transport._tried = lambda once, tries=1: once()  # type: ignore[method-assign, assignment]
    api.models.generate("Open?")


def test_vectors_and_ranks() -> None:
    seen: list[httpx.Request] = []
    vectors = httpx.Response(200, json={"embeddings": [{"values": [0.5, 1]}], "call": {"call_id": "cal_1"}})
    ranks = httpx.Response(200, json={"results": [{"index": 1, "score": 0.5}], "call": {}})
    with client(vectors, ranks, problem(424, "PROVIDER_CREDENTIALS"), seen=seen) as api:
        assert list(api.models.embed(["a"], dimensions=2).embeddings[0].values) == [0.5, 1]
        assert api.models.rerank("q", ["a", "b"], top_n=1).results[0].index == 1
        with pytest.raises(LaceApiError) as raised:
            api.models.embed(["a"], provider="openai")
        assert raised.value.reason is Reason.PROVIDER_CREDENTIALS
    assert sent(seen[0]) == {"texts": ["a"], "dimensions": 2}
    assert sent(seen[1]) == {"query": "q", "documents": ["a", "b"], "top_n": 1}
