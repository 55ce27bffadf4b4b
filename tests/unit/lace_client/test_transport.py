"""Requests, retries and errors of the client, against an API that is a function."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

import lace_client.transport
from lace.compiler.v1 import compiler_pb2
from lace.runs.v1 import runs_pb2
from lace_client import LaceApiError, LaceClient
from lace_core.errors import Detail, Reason

Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses between tries, noted instead of made."""
    found: list[float] = []
    monkeypatch.setattr("lace_client.transport.time.sleep", found.append)
    return found


def client(*answers: httpx.Response | Exception, seen: list[httpx.Request] | None = None) -> LaceClient:
    """A client of an API that gives these answers, one after the other."""
    waiting = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        request.read()
        if seen is not None:
            seen.append(request)
        found = waiting.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    return LaceClient("http://lace/", "lace_t", transport=httpx.MockTransport(answer))


def problem(status: int, code: str, **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    body = {"error_code": code, "message": "It failed.", "details": [], "correlation_id": "cor_1", "retryable": False}
    return httpx.Response(status, headers=headers, content=orjson.dumps({**body, **more}))


def test_a_read_gives_the_contracts_message() -> None:
    seen: list[httpx.Request] = []
    with client(httpx.Response(200, json={"run_id": "run_1", "state": "paused", "steps_done": 3}), seen=seen) as api:
        assert api.get_run("run_1") == runs_pb2.Run(run_id="run_1", state=runs_pb2.RUN_STATE_PAUSED, steps_done=3)
    assert str(seen[0].url) == "http://lace/v1/runs/run_1"
    assert seen[0].headers["authorization"] == "Bearer lace_t"


def test_what_a_newer_server_adds_is_passed_over() -> None:
    with client(httpx.Response(200, json={"run_id": "run_1", "mood": "good", "state": "hibernating"})) as api:
        assert api.get_run("run_1") == runs_pb2.Run(run_id="run_1")


def test_a_change_carries_a_key_and_only_what_is_given() -> None:
    seen: list[httpx.Request] = []
    answer = {"run_id": "run_1", "state": "queued"}
    with client(httpx.Response(202, json=answer), httpx.Response(202, json=answer), seen=seen) as api:
        api.start_run("generate", title="T", targets=["md"], settings={"runs.max_nodes": 3})
        api.start_run("generate", title="T", key="mine")
    assert orjson.loads(seen[0].content) == {"title": "T", "targets": ["md"], "settings": {"runs.max_nodes": 3}}
    assert len(seen[0].headers["idempotency-key"]) == 32
    assert seen[1].headers["idempotency-key"] == "mine"


def test_a_change_is_tried_again_under_the_same_key(pauses: list[float]) -> None:
    seen: list[httpx.Request] = []
    away = problem(503, "SERVICE_UNAVAILABLE", retryable=True, headers={"Retry-After": "3"})
    lost = httpx.ReadError("lost")
    with client(away, lost, httpx.Response(202, json={"run_id": "run_1"}), seen=seen) as api:
        assert api.pause_run("run_1").run_id == "run_1"
    assert len({request.headers["idempotency-key"] for request in seen}) == 1
    assert len(seen) == 3
    assert 2.4 <= pauses[0] <= 3.6


def test_giving_up_says_what_is_wrong() -> None:
    with client(*[problem(503, "SERVICE_UNAVAILABLE", retryable=True)] * 4) as api:
        with pytest.raises(LaceApiError) as failed:
            api.get_run("run_1")
    assert failed.value.reason is Reason.SERVICE_UNAVAILABLE
    with client(*[httpx.ConnectError("refused")] * 4) as api:
        with pytest.raises(LaceApiError) as failed:
            api.get_run("run_1")
    assert (failed.value.error_code, failed.value.status) == ("SERVICE_UNAVAILABLE", 0)
    assert "http://lace" in failed.value.message


def test_the_envelope_becomes_the_exception(pauses: list[float]) -> None:
    details = [{"field": "/titel", "description": "no such field"}]
    with client(problem(400, "UNKNOWN_FIELD", details=details)) as api:
        with pytest.raises(LaceApiError) as failed:
            api.start_run("generate")
    error = failed.value
    assert (error.reason, error.error_code, error.status) == (Reason.UNKNOWN_FIELD, "UNKNOWN_FIELD", 400)
    assert (error.message, error.correlation_id, error.retryable) == ("It failed.", "cor_1", False)
    assert error.details == (Detail("/titel", "no such field"),)
    assert pauses == []


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"other": 1}'])
def test_an_answer_of_something_else(content: bytes) -> None:
    with client(httpx.Response(418, content=content)) as api:
        with pytest.raises(LaceApiError) as failed:
            api.get_run("run_1")
    assert (failed.value.error_code, failed.value.status) == ("INTERNAL", 418)


def test_a_code_of_a_newer_server_is_kept() -> None:
    with client(problem(409, "MOON_IN_THE_WAY")) as api:
        with pytest.raises(LaceApiError) as failed:
            api.get_run("run_1")
    assert (failed.value.reason, failed.value.error_code) == (Reason.INTERNAL, "MOON_IN_THE_WAY")


def test_pages_are_followed_to_their_end() -> None:
    seen: list[httpx.Request] = []
    pages = [
        httpx.Response(200, json={"runs": [{"run_id": "a"}, {"run_id": "b"}], "next_page_token": "p2"}),
        httpx.Response(200, json={"runs": [{"run_id": "c"}], "next_page_token": ""}),
    ]
    with client(*pages, seen=seen) as api:
        assert [run.run_id for run in api.list_runs(state="failed")] == ["a", "b", "c"]
    assert [str(request.url.params) for request in seen] == ["state=failed", "state=failed&page_token=p2"]


def test_ids_stay_in_their_segment() -> None:
    seen: list[httpx.Request] = []
    with client(httpx.Response(200, json={}), seen=seen) as api:
        api.get_run("../tokens?x=1#y")
        assert seen[0].url.raw_path == b"/v1/runs/..%2Ftokens%3Fx%3D1%23y"
        for climbing in ("", ".", ".."):
            with pytest.raises(ValueError, match="not an id"):
                api.get_run(climbing)


def test_settings_are_replaced_under_their_etag() -> None:
    seen: list[httpx.Request] = []
    with client(httpx.Response(200, json={"etag": "4"}), seen=seen) as api:
        assert api.put_settings({"runs.max_nodes": 3}, etag="3", tenant_id="ten_a").etag == "4"
    assert seen[0].headers["if-match"] == '"3"'
    assert seen[0].url.path == "/v1/settings/tenants/ten_a"


def compiled(content: bytes) -> compiler_pb2.Compiled:
    digest = hashlib.sha256(content).hexdigest()
    return compiler_pb2.Compiled(download_url="/v1/blobs/t", bundle_hash=digest, filename="a.pdf")


def test_a_download_is_whole_or_not_there(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise httpx.ReadError("lost")

    answers = [httpx.Response(200, content=broken()), httpx.Response(200, content=b"whole")]
    with client(*answers) as api:
        assert api.download(compiled(b"whole"), tmp_path / "a.pdf").read_bytes() == b"whole"
    with client(httpx.Response(200, content=b"other")) as api:
        with pytest.raises(LaceApiError) as failed:
            api.download(compiled(b"whole"), tmp_path / "b.pdf")
    assert failed.value.reason is Reason.BLOB_CORRUPT
    with client(problem(410, "SIGNED_URL_EXPIRED")) as api:
        with pytest.raises(LaceApiError):
            api.download(compiled(b"whole"), tmp_path / "c.pdf")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pdf"]


@pytest.mark.parametrize("url", ["https://lace.example", "HTTPS://lace.example"])
def test_an_address_with_tls_is_held_to_the_known_authorities(url: str) -> None:
    assert lace_client.transport._authorities(url) is True


def test_an_address_without_tls_loads_no_authorities_and_trusts_none() -> None:
    found = lace_client.transport._authorities("http://127.0.0.1:8080")
    assert isinstance(found, ssl.SSLContext)
    assert (found.verify_mode, found.check_hostname, found.get_ca_certs()) == (ssl.CERT_REQUIRED, True, [])
