"""An installation on a real Kafka: two processes share the runs, and a consumer outside of LACE reads every event."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient

from lace_client import LaceClient
from lace_core.topics import TOPICS
from lace_proto.json import to_python
from lace_standalone.embedded_postgres import EmbeddedPostgres
from lace_standalone.ports import free_ports
from tests.doubles.separate_processes import LACE, SeparateProcesses

BOOTSTRAP = os.environ.get("LACE_TEST_KAFKA", "")
pytestmark = [
    pytest.mark.real_parts,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not BOOTSTRAP, reason="no Kafka: LACE_TEST_KAFKA names no broker"),
]
_EXAMPLE = Path(__file__).parents[2] / "examples" / "clients" / "events_from_kafka.py"
_RUNS = 24
# CloudEvents 1.0.2: what every event has; names are lower-case letters and digits; types are those of the core.
_REQUIRED = {"id", "source", "specversion", "type"}
_URI_REFERENCE = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_ABSOLUTE_URI = re.compile(r"[a-z][a-z0-9+.\-]*:" + _URI_REFERENCE.pattern)


@dataclass
class Pool:
    """An installation whose runs two processes work on, one run each at a time."""

    processes: SeparateProcesses
    second: subprocess.Popen[bytes]

    @property
    def client(self) -> LaceClient:
        return LaceClient(self.processes.url, self.processes.token)


@pytest.fixture(scope="module")
async def pool(scratch: Path) -> AsyncIterator[Pool]:
    folder = scratch / "kafka-pool"
    server = EmbeddedPostgres(folder / "postgres", durable=False)
    parts = {
        "LACE_BUS": "kafka",
        "LACE_KAFKA_BOOTSTRAP": BOOTSTRAP,
        "LACE_KAFKA_PARTITIONS": "2",
        "LACE_RUNS_CONCURRENCY": "1",
        "LACE_RUNS_BENCH_PIPELINES": "true",
    }
    processes = SeparateProcesses(folder, await server.start(), parts)
    second = None
    try:
        await processes.start()
        second = await _another_runs_process(processes)
        yield Pool(processes, second)
    finally:
        if second is not None:
            second.terminate()
            assert second.wait(20) == 0
        codes = processes.stop()
        await server.stop()
    assert set(codes.values()) == {0}, codes


async def _another_runs_process(processes: SeparateProcesses) -> subprocess.Popen[bytes]:
    """`lace serve runs` once more: nothing differs but the address that it listens on."""
    [port] = free_ports("127.0.0.1", 1)
    addresses = re.sub(r"\bruns=[^,]+", f"runs=127.0.0.1:{port}", processes.environ["LACE_ADDRESSES"])
    environ = {**processes.environ, "LACE_ADDRESSES": addresses}
    with (processes.folder / "runs-2.log").open("wb") as log:
        started = subprocess.Popen([LACE, "serve", "runs"], env=environ, cwd=processes.folder, stdout=log, stderr=log)
    async with asyncio.timeout(60):
        while started.poll() is None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return started
            await asyncio.sleep(0.1)
    raise AssertionError((processes.folder / "runs-2.log").read_text())


@pytest.fixture(scope="module")
async def finished(pool: Pool) -> dict[str, list[dict[str, Any]]]:
    """Runs that have succeeded, with their events as the API gives them, in REST JSON form."""

    def work() -> dict[str, list[dict[str, Any]]]:
        with pool.client as api, ThreadPoolExecutor(8) as at_once:
            # Started at the same time, so that there is work for both when they wake.
            started = [answer.run_id for answer in at_once.map(lambda _: api.start_run("noop10"), range(_RUNS))]
            return {run_id: [to_python(event) for event in api.watch_run(run_id)] for run_id in started}

    return await asyncio.to_thread(work)


@pytest.fixture(scope="module")
async def records(finished: dict[str, list[dict[str, Any]]]) -> dict[str, list[ConsumerRecord[bytes, bytes]]]:
    """What a consumer outside finds of these runs, by run id, once the last of it is there."""
    consumer = AIOKafkaConsumer(bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest")
    consumer.subscribe(list(TOPICS))
    await consumer.start()
    found: dict[str, list[ConsumerRecord[bytes, bytes]]] = defaultdict(list)
    expected = {run_id: len(events) + 2 for run_id, events in finished.items()}
    try:
        async with asyncio.timeout(60):
            while any(len([r for r in found[run_id] if _is_told(r)]) < count for run_id, count in expected.items()):
                for batch in (await consumer.getmany(timeout_ms=500)).values():
                    for record in batch:
                        if record.key.decode() in expected:
                            found[record.key.decode()].append(record)
    finally:
        await consumer.stop()
    return found


def _is_told(record: ConsumerRecord[bytes, bytes]) -> bool:
    return TOPICS[record.topic].is_event or record.topic.startswith("openlineage.")


def _attributes(record: ConsumerRecord[bytes, bytes]) -> dict[str, str]:
    return {name[3:]: value.decode() for name, value in record.headers if name.startswith("ce_")}


async def test_two_processes_share_the_runs(finished: dict[str, list[dict[str, Any]]]) -> None:
    workers = set()
    for events in finished.values():
        assert events[-1]["event_type"] == "pipeline.run.completed"
        assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
        workers |= {e["payload"]["run_started"]["worker_id"] for e in events if "run_started" in e["payload"]}
    assert len(workers) == 2


async def test_every_event_is_published_once_on_its_topic_as_the_api_gives_it(
    finished: dict[str, list[dict[str, Any]]], records: dict[str, list[ConsumerRecord[bytes, bytes]]]
) -> None:
    for run_id, events in finished.items():
        published = [record for record in records[run_id] if TOPICS[record.topic].is_event]
        bodies = sorted((orjson.loads(record.value) for record in published), key=lambda event: event["sequence"])
        assert bodies == events
        assert all(record.topic == orjson.loads(record.value)["event_type"] for record in published)
        for topic in {record.topic for record in published}:
            of_topic = [record for record in published if record.topic == topic]
            assert len({record.partition for record in of_topic}) == 1
            sequences = [orjson.loads(record.value)["sequence"] for record in of_topic]
            assert sequences == sorted(sequences), "in order within the topic"


async def test_its_headers_are_those_of_cloudevents(records: dict[str, list[ConsumerRecord[bytes, bytes]]]) -> None:
    seen = set()
    for run_id, of_run in records.items():
        for record in of_run:
            attributes = _attributes(record)
            assert set(attributes) >= _REQUIRED
            assert attributes["specversion"] == "1.0"
            assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in attributes)
            assert all(attributes.values()), "no attribute is empty"
            assert _URI_REFERENCE.fullmatch(attributes["source"])
            assert _ABSOLUTE_URI.fullmatch(attributes["dataschema"])
            assert datetime.fromisoformat(attributes["time"]).tzinfo is not None
            assert attributes["type"] == record.topic
            assert attributes["subject"] == attributes["partitionkey"] == run_id == record.key.decode()
            assert dict(record.headers)["content-type"] == b"application/json"
            # Source and id together name an event; the same once more would be the same event.
            assert (attributes["source"], attributes["id"]) not in seen
            seen.add((attributes["source"], attributes["id"]))
            if TOPICS[record.topic].is_event:
                event = orjson.loads(record.value)
                assert attributes["id"] == event["event_id"]
                assert datetime.fromisoformat(attributes["time"]) == datetime.fromisoformat(event["occurred_at"])


async def test_each_run_s_ends_are_told_to_openlineage(
    records: dict[str, list[ConsumerRecord[bytes, bytes]]],
) -> None:
    for of_run in records.values():
        told = [(r.topic, orjson.loads(r.value)) for r in of_run if r.topic.startswith("openlineage.")]
        assert sorted((topic, event["eventType"]) for topic, event in told) == [
            ("openlineage.complete", "COMPLETE"),
            ("openlineage.start", "START"),
        ]
        assert {event["job"]["name"] for _, event in told} == {"noop10"}


async def test_the_example_prints_a_run_s_events(finished: dict[str, list[dict[str, Any]]]) -> None:
    run_id, events = next(iter(finished.items()))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(_EXAMPLE),
        run_id,
        env={**os.environ, "KAFKA_BOOTSTRAP": BOOTSTRAP},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    printed = [line.split()[2] for line in out.decode().splitlines()]
    assert printed == [event["event_type"] for event in events]


async def test_all_topics_are_there_from_the_start(pool: Pool) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await admin.start()
    try:
        there = set(await admin.list_topics())
    finally:
        await admin.close()
    assert set(TOPICS) <= there
    assert {f"{name}.dlq" for name, topic in TOPICS.items() if topic.groups} <= there
