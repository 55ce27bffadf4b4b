"""The events of a real run: whole contents behind the permission, samples as the tenant wants them, either version."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lace.common.v1 import event_pb2
from lace_client import LaceApiError, LaceClient
from lace_platform.ids import new_id
from lace_proto.json import to_python
from tests.e2e.conftest import RunningInstallation

EXAMPLE = Path(__file__).parents[2] / "examples" / "clients" / "follow_with_websocket.py"
PAGE = """# Weir

## Gates

The weir has five gates. Each gate weighs 12 tonnes. The gates were renewed in 2019.

## Levels

The upper level is 4.2 metres above the lower one. The keeper is reached at keeper@weir.example.org.
"""


@pytest.fixture
def source_id(client: LaceClient, tmp_path: Path) -> str:
    """The page, read."""
    page = tmp_path / "weir.md"
    page.write_text(PAGE)
    given = client.ingest([page])
    for _ in client.watch_run(given.run_id):
        pass
    return given.sources[0].source_id


def outlined(client: LaceClient, source_id: str, words: int = 900) -> list[event_pb2.RunEvent]:
    """The events of a run that asks the model twice."""
    run = client.start_run("outline", title="The weir", source_ids=[source_id], settings={"runs.target_words": words})
    events = list(client.watch_run(run.run_id))
    assert events[-1].event_type == "pipeline.run.completed"
    return events


def with_content(events: list[event_pb2.RunEvent]) -> Iterator[event_pb2.RunEvent]:
    return (event for event in events if event.event_type in ("pipeline.llm.prompt", "pipeline.llm.response"))


@pytest.mark.parametrize("level", ["sample", "hash"])
def test_every_prompt_and_answer_resolves_whole_whatever_is_shown_of_it(
    client: LaceClient, api: httpx.AsyncClient, source_id: str, level: str
) -> None:
    tenant_id = client.get_run(next(iter(client.list_runs())).run_id).tenant_id
    before = to_python(client.get_settings(tenant_id=tenant_id))["values"]
    client.put_settings({**before, "events.redaction": level}, tenant_id=tenant_id)
    try:
        # A request of its own kind: what a setting comes to for others may be remembered for a moment.
        events = outlined(client, source_id, 901 + len(level))
    finally:
        client.put_settings(before, tenant_id=tenant_id)
    shown = list(with_content(events))
    assert len(shown) == 4
    for event in shown:
        said: Any = getattr(event.payload, event.payload.WhichOneof("kind") or "")
        assert bool(said.sample) is (level == "sample")
        assert "keeper@weir" not in said.sample
        whole = client.get_event_content(event.run_id, event.event_id)
        assert whole.content_hash == event.content_hash
        assert event.content_uri.startswith(f"lace-replay/{tenant_id}/{event.run_id}/payloads/")
        if event.event_type == "pipeline.llm.prompt":
            assert [message["role"] for message in json.loads(whole.content)] == ["system", "user"]
        assert to_python(event)["redaction_level"] == level


async def test_a_members_token_reads_events_and_no_contents_and_readings_are_audited(
    installation: RunningInstallation, client: LaceClient, api: httpx.AsyncClient, source_id: str
) -> None:
    event = next(with_content(outlined(client, source_id)))
    client.get_event_content(event.run_id, event.event_id)
    entries = (await api.get("/v1/audit", params={"page_size": 50})).json()["entries"]
    subject = f"runs/{event.run_id}/events/{event.event_id}"
    assert next(entry["subject"] for entry in entries if entry["action"] == "event.content.read") == subject
    headers = {"idempotency-key": new_id("idk")}
    made = (await api.post("/v1/principals", json={"name": "reader"}, headers=headers)).json()
    token = client.create_token("reader", principal_id=made["principal_id"])
    assert "runs:read" in token.token.scopes
    assert "payloads:read" not in token.token.scopes
    with LaceClient(installation.url, token.secret) as reader:
        assert next(reader.replay_events(event.run_id)).sequence == 1
        with pytest.raises(LaceApiError) as refused:
            reader.get_event_content(event.run_id, event.event_id)
    assert (refused.value.status, refused.value.error_code) == (403, "PERMISSION_DENIED")


def test_a_run_is_told_in_the_version_that_is_asked_for(client: LaceClient, source_id: str) -> None:
    run_id = outlined(client, source_id)[0].run_id
    for version, member in ((0, "run_progress_v2"), (2, "run_progress_v2"), (1, "run_progress")):
        for events in (
            client.replay_events(run_id, schema_version=version),
            client.watch_run(run_id, schema_version=version),
        ):
            told = [event for event in events if event.event_type == "pipeline.run.progress"]
            assert told
            assert {event.payload.WhichOneof("kind") for event in told} == {member}
    with pytest.raises(LaceApiError) as refused:
        list(client.replay_events(run_id, schema_version=7))
    assert refused.value.error_code == "EVENT_SCHEMA_UNSUPPORTED"


async def test_the_example_program_follows_over_a_websocket_to_the_end(
    installation: RunningInstallation, client: LaceClient, source_id: str
) -> None:
    events = outlined(client, source_id)
    environ = {**os.environ, "LACE_URL": installation.url, "LACE_TOKEN": installation.token, "PYTHONWARNINGS": "error"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLE), events[0].run_id, env=environ,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, err) == (0, b"")
    lines = [line.split() for line in out.decode().splitlines()]
    assert [int(line[0]) for line in lines] == [event.sequence for event in events]
    assert lines[-1][3] == "pipeline.run.completed"
