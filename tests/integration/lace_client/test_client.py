"""The client against a real gateway: every request that it makes is one that the gateway takes."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from pathlib import Path
from typing import Any

import pytest

from lace.compiler.v1 import compiler_pb2
from lace_client import LaceApiError, LaceClient
from lace_core.errors import LaceError, Reason


async def test_documents_go_up_and_a_run_reads_them(gateway: Any, api: LaceClient, tmp_path: Path) -> None:
    for name, content in (("a.md", b"# A"), ("b.txt", b"B" * 600_000), ("c.xlsx", b"C")):
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path / name for name in ("a.md", "b.txt", "c.xlsx")]
    gateway.backend.runs.fail_starts = [LaceError(Reason.SERVICE_UNAVAILABLE, "away", retryable=True, retry_after=0.01)]
    done = await asyncio.to_thread(api.ingest, paths, labels=["internal"])
    assert [source.filename for source in done.sources] == ["a.md", "b.txt"]
    assert [(one.filename, one.error_code) for one in done.rejected] == [("c.xlsx", "SOURCE_FORMAT_UNSUPPORTED")]
    assert gateway.backend.sources.sizes == {"a.md": 3, "b.txt": 600_000}
    starts = [call.idempotency_key for name, _, call in gateway.backend.runs.calls if name == "StartRun"]
    assert len(starts) == 2
    assert len(set(starts)) == 1


async def test_a_run_is_watched_through_a_gateway_that_stops_and_starts(gateway: Any, api: LaceClient) -> None:
    runs = gateway.backend.runs
    runs.emit("run_1", 3)
    seen: list[int] = []

    def read() -> None:
        seen.extend(event.sequence for event in api.watch_run("run_1"))

    reading = asyncio.create_task(asyncio.to_thread(read))
    async with asyncio.timeout(10):
        while len(seen) < 3 and gateway.surroundings.feeds.count() == 0:
            await asyncio.sleep(0.01)
        for feed in list(gateway.surroundings.feeds._feeds.values()):
            feed.end(LaceError(Reason.SERVICE_UNAVAILABLE, "stopping", retryable=True))
        runs.emit("run_1", 3)
        await asyncio.sleep(0.05)
        runs.emit("run_1", last=True)
        await reading
    assert seen == [1, 2, 3, 4, 5, 6, 7]


async def test_lists_and_errors(gateway: Any, api: LaceClient) -> None:
    steps = await asyncio.to_thread(lambda: [step.step_id for step in api.list_steps("run_1")])
    assert steps == ["one", "two"]
    with pytest.raises(LaceApiError) as failed:
        await asyncio.to_thread(api.get_run, "run_missing")
    assert (failed.value.error_code, failed.value.status) == ("RUN_NOT_FOUND", 404)
    assert failed.value.correlation_id.startswith("req_")
    with pytest.raises(LaceApiError) as failed:
        await asyncio.to_thread(api.start_run, "expand", title="x")
    assert failed.value.reason is Reason.NOT_AVAILABLE_YET


async def test_a_compiled_file_comes_down(gateway: Any, api: LaceClient, tmp_path: Path) -> None:
    content = b"%PDF" + bytes(500_000)
    ref = await gateway.blobs.put("lace-compiled", "ten_a/a.pdf", content, "application/pdf")
    url = gateway.blobs.signed_url(ref.uri, filename="a.pdf", ttl_s=60)
    digest = hashlib.sha256(content).hexdigest()
    gateway.backend.compiled.files = [compiler_pb2.Compiled(target="pdf", download_url=url, bundle_hash=digest)]
    [found] = await asyncio.to_thread(lambda: list(api.list_compiled("art_1")))
    saved = await asyncio.to_thread(api.download, found, tmp_path / "a.pdf")
    assert saved.read_bytes() == content


async def test_health(gateway: Any, api: LaceClient) -> None:
    states = await asyncio.to_thread(api.health)
    assert set(states.values()) == {"serving"}


async def test_a_wrong_token(gateway: Any) -> None:
    with LaceClient(gateway.url, "lace_wrong") as stranger:
        with pytest.raises(LaceApiError) as failed:
            await asyncio.to_thread(stranger.get_run, "run_1")
    assert failed.value.reason is Reason.TOKEN_INVALID


CALLS: dict[str, Any] = {
    "get_source": ("src_1",),
    "get_run": ("run_1",),
    "pause_run": ("run_1",),
    "get_artifact": ("art_1",),
    "create_token": ("nightly",),
    "revoke_token": ("tok_1",),
}


@pytest.mark.parametrize("name", sorted(CALLS))
async def test_requests_that_the_gateway_takes(gateway: Any, api: LaceClient, name: str) -> None:
    assert await asyncio.to_thread(getattr(api, name), *CALLS[name])


def test_every_public_method_is_documented_and_typed() -> None:
    for name, method in inspect.getmembers(LaceClient, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.getdoc(method)
            assert inspect.signature(method).return_annotation is not inspect.Signature.empty
