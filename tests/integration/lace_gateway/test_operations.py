"""Health, figures, documentation and downloads."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest


async def test_ready_names_each_service(http: httpx.AsyncClient) -> None:
    response = await http.get("/health/ready")
    assert response.json() == {
        "status": "ready",
        "services": dict.fromkeys(("control", "runs", "ingest", "llm_gateway", "compiler", "provenance"), "serving"),
    }


async def test_not_ready_while_a_service_is_away(open_gateway: Any) -> None:
    gateway = await open_gateway()
    await gateway.backend.server.stop(0)
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30) as http:
        response = await http.get("/health/ready")
        assert (response.status_code, response.json()["error_code"]) == (503, "SERVICE_UNAVAILABLE")
        assert {detail["description"] for detail in response.json()["details"]} == {"unreachable"}
        assert (await http.get("/health/live")).json() == {"status": "ok"}


async def test_figures_name_routes_and_never_paths(http: httpx.AsyncClient) -> None:
    await http.get("/v1/runs/run_of_mine")
    await http.get("/v1/nothing/of/mine")
    text = (await http.get("/metrics")).text
    assert re.search(r'lace_gateway_requests_total\{method="GET",route="/v1/runs/\{run_id\}",status="200"\} \d', text)
    assert "lace_gateway_request_seconds_bucket" in text
    assert "of_mine" not in text
    assert "of/mine" not in text


async def test_the_root_knows_the_way(http: httpx.AsyncClient) -> None:
    told = (await http.get("/")).json()
    assert (told["read"], told["docs"]) == ("/read", "/docs")
    response = await http.get("/", headers={"accept": "text/html"})
    assert (response.status_code, response.headers["location"]) == (307, "/read")


async def test_the_docs_page_needs_nothing_from_elsewhere(http: httpx.AsyncClient) -> None:
    page = await http.get("/docs")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    used = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(used) == 5
    for address in used:
        assert address.startswith("/")
        assert (await http.get(address)).status_code == 200
    script = await http.get("/docs/assets/swagger-ui-bundle.js")
    assert len(script.content) > 1_000_000
    again = await http.get("/docs/assets/swagger-ui-bundle.js", headers={"if-none-match": script.headers["etag"]})
    assert again.status_code == 304
    assert (await http.get("/docs/assets/..%2Fapplication.py")).status_code == 404


async def test_the_page_for_readers_asks_this_gateway_alone(http: httpx.AsyncClient) -> None:
    page = await http.get("/read")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    scripts = {"reader.js"}
    for address in re.findall(r'(?:src|href)="(/[^"]+)"', page.text):
        assert (await http.get(address)).status_code == 200
    text = ""
    while scripts:
        answer = await http.get(f"/docs/assets/{scripts.pop()}")
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        scripts |= {name for name in re.findall(r'from "\./([\w.]+)"', answer.text) if answer.text not in text}
        text += answer.text
    assert len(re.findall("^export", text, re.MULTILINE)) >= 10
    # What documents say is text there, never markup; nothing is asked of anybody else.
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|https?:", text)
    asked = {re.sub(r"\$\{[^}]*\}", "x_1", path) for path in re.findall(r'["`](/v1/[^"`?]*)', text)}
    assert len(asked) >= 6
    routes = (await http.get("/openapi.json")).json()["paths"]
    known = [re.compile(re.sub(r"\{[^}]*\}", "[^/:]+", path) + "$") for path in routes]
    assert all(any(route.match(path) for route in known) for path in asked), asked


async def test_every_error_code_is_in_the_catalogue(http: httpx.AsyncClient) -> None:
    from lace_core.errors import Reason

    page = (await http.get("/docs/errors")).text
    assert all(f'id="{reason.value}"' in page for reason in Reason)


async def test_a_file_by_its_signed_link(http: httpx.AsyncClient, gateway: Any) -> None:
    content = bytes(range(256)) * 4000
    ref = await gateway.blobs.put("lace-compiled", "ten_a/a.pdf", content, "application/pdf")
    path = gateway.blobs.signed_url(ref.uri, filename="Wärme & Kälte.pdf", ttl_s=60)
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30) as stranger:
        response = await stranger.get(path)
    assert response.content == content
    assert response.headers["content-type"] == "application/pdf"
    assert response.headers["content-disposition"] == (
        "attachment; filename=\"W_rme & K_lte.pdf\"; filename*=UTF-8''W%C3%A4rme%20%26%20K%C3%A4lte.pdf"
    )
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [("altered", 403, "SIGNED_URL_INVALID"), ("expired", 410, "SIGNED_URL_EXPIRED"), ("gone", 404, "BLOB_NOT_FOUND")],
)
async def test_links_that_are_not_good(
    http: httpx.AsyncClient, gateway: Any, change: str, status: int, code: str
) -> None:
    ref = await gateway.blobs.put("lace-compiled", f"ten_a/{change}.md", b"text", "text/markdown")
    uri = "lace-compiled/ten_a/none.md" if change == "gone" else ref.uri
    path = gateway.blobs.signed_url(uri, filename="a.md", ttl_s=-1 if change == "expired" else 60)
    response = await http.get(path + "x" if change == "altered" else path)
    assert (response.status_code, response.json()["error_code"]) == (status, code)


async def test_a_file_that_was_damaged_does_not_look_whole(
    http: httpx.AsyncClient, gateway: Any, tmp_path: Any
) -> None:
    ref = await gateway.blobs.put("lace-compiled", "ten_a/damaged.md", b"a" * 600_000, "text/markdown")
    path = gateway.blobs.signed_url(ref.uri, filename="a.md", ttl_s=60)
    [stored] = [file for file in gateway.blobs._root.rglob("*") if file.is_file() and file.stat().st_size == 600_000]
    stored.chmod(0o600)
    stored.write_bytes(b"b" * 600_000)
    with pytest.raises(httpx.RemoteProtocolError):
        await http.get(path)
