"""REST through gRPC: requests, answers, headers and the error envelope, over real sockets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from lace.runs.v1 import runs_pb2
from lace_core.settings import resolve
from lace_gateway.domain.settings import GatewaySettings

MEMBERS = "type title status detail instance error_code message details correlation_id retryable".split()


def problem(response: httpx.Response, status: int, code: str) -> Any:
    """The envelope, after looking at what every one must have."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["error_code"] == code
    assert body["status"] == status
    assert body["message"] == body["detail"] != ""
    assert body["correlation_id"] == response.headers["x-correlation-id"]
    assert list(body) == MEMBERS
    return body


async def test_a_get_gives_the_message_as_json(http: httpx.AsyncClient) -> None:
    response = await http.get("/v1/runs/run_1")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json()["run_id"] == "run_1"
    assert response.json()["state"] == "running"


async def test_ids_identity_and_deadline_travel_on(http: httpx.AsyncClient, gateway: Any) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sent = {"X-Request-Id": "req-1", "X-Correlation-Id": "cor-1", "traceparent": traceparent}
    response = await http.get("/v1/runs/run_1", headers=sent)
    assert response.headers["x-request-id"] == "req-1"
    assert response.headers["x-correlation-id"] == "cor-1"
    [(_, _, call)] = gateway.backend.runs.calls
    assert (call.request_id, call.correlation_id, call.traceparent) == ("req-1", "cor-1", traceparent)
    assert (call.tenant_id, call.principal_id) == ("ten_a", "prn_a")
    assert 25 < call.remaining() < 31  # gRPC rounds up
    assert call.idempotency_key is None


async def test_ids_are_made_where_none_are_sent(http: httpx.AsyncClient, gateway: Any) -> None:
    first, second = await http.get("/v1/runs/a"), await http.get("/v1/runs/a")
    assert first.headers["x-request-id"].startswith("req_")
    assert first.headers["x-request-id"] == first.headers["x-correlation-id"] != second.headers["x-request-id"]
    [(_, _, call), _] = gateway.backend.runs.calls
    assert call.traceparent.startswith("00-")
    assert call.request_id == first.headers["x-request-id"]


async def test_an_id_that_would_spoil_a_log_is_refused(http: httpx.AsyncClient) -> None:
    response = await http.get("/v1/runs/a", headers={"X-Request-Id": "a b"})
    assert problem(response, 400, "INVALID_ARGUMENT")["details"][0]["field"] == "X-Request-Id"
    assert response.headers["x-request-id"] != "a b"


async def test_work_that_takes_time_answers_202_with_its_place(http: httpx.AsyncClient, gateway: Any) -> None:
    body = {"title": "Heat pumps", "targets": ["md"], "settings": {"runs.max_nodes": 5}}
    response = await http.post("/v1/runs/generate", json=body, headers={"Idempotency-Key": '"k1"'})
    assert response.status_code == 202
    assert response.headers["location"] == f"/v1/runs/{response.json()['run_id']}"
    [(_, request, call)] = gateway.backend.runs.calls
    assert (request.pipeline_id, request.title, list(request.targets)) == ("generate", "Heat pumps", ["md"])
    assert call.idempotency_key == "k1"
    again = await http.post("/v1/runs/generate", json=body, headers={"Idempotency-Key": "k1"})
    assert again.json() == response.json()
    other = await http.post("/v1/runs/generate", json={"title": "Else"}, headers={"Idempotency-Key": "k1"})
    problem(other, 409, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "IDEMPOTENCY_KEY_REQUIRED"),
        ({"Idempotency-Key": '""'}, "IDEMPOTENCY_KEY_INVALID"),
        ({"Idempotency-Key": "a b"}, "IDEMPOTENCY_KEY_INVALID"),
        ({"Idempotency-Key": "x" * 256}, "IDEMPOTENCY_KEY_INVALID"),
    ],
)
async def test_mutations_need_a_good_key(http: httpx.AsyncClient, headers: dict[str, str], code: str) -> None:
    problem(await http.post("/v1/runs/generate", json={"title": "x"}, headers=headers), 400, code)


async def test_a_pipeline_that_is_not_there_yet_says_so(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/runs/expand", json={}, headers={"Idempotency-Key": "k"})
    problem(response, 501, "NOT_AVAILABLE_YET")


async def test_what_needs_no_run_is_answered_at_once(http: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "k"}
    path = "/v1/artifacts/art_1:rollback"
    shown = await http.post(path, json={"revision_id": "rev_1", "dry_run": True}, headers=key)
    assert (shown.status_code, shown.headers.get("location")) == (200, None)
    started = await http.post(path, json={"revision_id": "rev_1"}, headers=key)
    assert (started.status_code, started.headers["location"]) == (202, "/v1/runs/run_1")
    stale = await http.post(path, json={"revision_id": "rev_1"}, headers={**key, "If-Match": '"v9"'})
    problem(stale, 412, "ETAG_MISMATCH")


async def test_a_verb_is_not_taken_for_an_id_and_needs_no_body(http: httpx.AsyncClient, gateway: Any) -> None:
    response = await http.post("/v1/runs/run_7:pause", headers={"Idempotency-Key": "k"})
    assert response.status_code == 202
    assert [(name, request.run_id) for name, request, _ in gateway.backend.runs.calls] == [("PauseRun", "run_7")]


async def test_query_fields_reach_the_message(http: httpx.AsyncClient, gateway: Any) -> None:
    await http.get("/v1/runs", params={"page_size": "7", "state": "failed"})
    [(_, request, _)] = gateway.backend.runs.calls
    assert request == runs_pb2.ListRunsRequest(page_size=7, state=runs_pb2.RUN_STATE_FAILED)


@pytest.mark.parametrize(
    ("path", "field", "code"),
    [
        ("/v1/runs?page_siz=1", "/page_siz", "UNKNOWN_FIELD"),
        ("/v1/runs?page_size=many", "/page_size", "INVALID_ARGUMENT"),
        ("/v1/runs?page_size=1&page_size=2", "/page_size", "INVALID_ARGUMENT"),
        ("/v1/runs?page_size=-1", "/page_size", "INVALID_ARGUMENT"),
        ("/v1/runs?state=sleeping", "/state", "INVALID_ARGUMENT"),
        ("/v1/runs/run_1?run_id=run_2", "/run_id", "INVALID_ARGUMENT"),
        ("/v1/runs/%00", "/run_id", "INVALID_ARGUMENT"),
        (f"/v1/runs/{'x' * 65}", "/run_id", "INVALID_ARGUMENT"),
    ],
)
async def test_bad_parameters_are_named(http: httpx.AsyncClient, path: str, field: str, code: str) -> None:
    assert problem(await http.get(path), 400, code)["details"][0]["field"] == field


async def test_unknown_fields_are_refused_with_a_hint(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/runs/generate", json={"titel": "x"}, headers={"Idempotency-Key": "k"})
    body = problem(response, 400, "UNKNOWN_FIELD")
    assert body["details"] == [{"field": "/titel", "description": "no such field; did you mean title?"}]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'{"title": ', "MALFORMED_JSON"),
        (b"[" * 10_000 + b"]" * 10_000, "JSON_TOO_DEEP"),
        (b'{"settings": {"a": ' + b"[" * 100 + b"]" * 100 + b"}}", "JSON_TOO_DEEP"),
        (b'"text"', "INVALID_ARGUMENT"),
        (b'{"title": 3}', "INVALID_ARGUMENT"),
        (b'{"title": "a\\u0000b"}', "INVALID_ARGUMENT"),
        (b'{"title": "' + b"x" * 301 + b'"}', "INVALID_ARGUMENT"),
        (b'{"pipeline_id": "outline"}', "INVALID_ARGUMENT"),
    ],
)
async def test_bad_bodies(http: httpx.AsyncClient, content: bytes, code: str) -> None:
    headers = {"Idempotency-Key": "k", "content-type": "application/json"}
    problem(await http.post("/v1/runs/generate", content=content, headers=headers), 400, code)


async def test_a_large_body_is_refused_declared_or_not(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k", "content-type": "application/json"}
    content = b'{"title":"' + b"x" * 1_100_000 + b'"}'
    problem(await http.post("/v1/runs/generate", content=content, headers=headers), 413, "BODY_TOO_LARGE")

    async def pieces() -> Any:
        for start in range(0, len(content), 100_000):
            yield content[start : start + 100_000]

    problem(await http.post("/v1/runs/generate", content=pieces(), headers=headers), 413, "BODY_TOO_LARGE")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
async def test_other_media_types_are_refused(http: httpx.AsyncClient, headers: dict[str, str]) -> None:
    response = await http.post("/v1/runs/generate", content=b"{}", headers={"Idempotency-Key": "k", **headers})
    problem(response, 415, "UNSUPPORTED_MEDIA_TYPE")


async def test_paths_and_methods_that_do_not_exist(http: httpx.AsyncClient) -> None:
    problem(await http.get("/v1/nothing"), 404, "ROUTE_NOT_FOUND")
    meant = (await http.get("/v1/artifact/art_1")).json()["detail"]
    assert meant.startswith("No such path; did you mean /v1/artifacts/{artifact_id}")
    problem(await http.get("/v1/runs/"), 404, "ROUTE_NOT_FOUND")
    response = await http.delete("/v1/artifacts/art_1")
    problem(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "GET, PATCH"


async def test_a_services_error_keeps_its_code(http: httpx.AsyncClient) -> None:
    body = problem(await http.get("/v1/runs/run_missing"), 404, "RUN_NOT_FOUND")
    assert body["instance"] == "/v1/runs/run_missing"
    assert body["type"] == "/docs/errors#RUN_NOT_FOUND"
    assert body["title"] == "Run not found"


async def test_what_goes_wrong_inside_stays_inside(http: httpx.AsyncClient) -> None:
    body = problem(await http.get("/v1/runs/run_broken"), 500, "INTERNAL")
    assert "secret" not in str(body)
    assert body["correlation_id"] in body["message"]


async def test_a_method_that_a_service_lacks(http: httpx.AsyncClient) -> None:
    problem(await http.get("/v1/pipelines"), 501, "NOT_AVAILABLE_YET")


async def test_a_call_that_takes_too_long_and_a_service_that_is_away(open_gateway: Any) -> None:
    settings = replace(GatewaySettings.of(resolve([]).values), deadline_s=0.2)
    gateway = await open_gateway(settings=lambda: settings)
    async with httpx.AsyncClient(base_url=gateway.url, headers=gateway.headers, trust_env=False, timeout=30) as http:
        problem(await http.get("/v1/runs/run_slow"), 504, "DEADLINE_EXCEEDED")
        await gateway.backend.server.stop(0)
        response = await http.post("/v1/runs/generate", json={"title": "x"}, headers={"Idempotency-Key": "k"})
        body = problem(response, 503, "SERVICE_UNAVAILABLE")
        assert body["retryable"] is True
        assert response.headers["retry-after"] == "1"


async def test_etags(http: httpx.AsyncClient) -> None:
    made = await http.post("/v1/artifacts", json={"title": "x"}, headers={"Idempotency-Key": "k"})
    assert (made.status_code, made.headers["location"], made.headers["etag"]) == (201, "/v1/artifacts/art_1", '"v1"')
    read = await http.get("/v1/artifacts/art_1")
    assert read.headers["etag"] == '"v1"'
    unchanged = await http.get("/v1/artifacts/art_1", headers={"If-None-Match": '"v1"'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    body = {"actions": [{"idempotency_key": "1", "remove_node": {"node_id": "nod_1"}}]}
    patched = await http.patch(
        "/v1/artifacts/art_1", json=body, headers={"Idempotency-Key": "k2", "If-Match": read.headers["etag"]}
    )
    assert (patched.status_code, patched.headers["etag"]) == (200, '"v2"')
    late = await http.patch(
        "/v1/artifacts/art_1", json=body, headers={"Idempotency-Key": "k3", "If-Match": read.headers["etag"]}
    )
    problem(late, 412, "ETAG_MISMATCH")
    two = await http.patch(
        "/v1/artifacts/art_1", json={**body, "etag": "v9"}, headers={"Idempotency-Key": "k4", "If-Match": '"v2"'}
    )
    problem(two, 400, "INVALID_ARGUMENT")
