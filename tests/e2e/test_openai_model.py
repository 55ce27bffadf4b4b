"""A document written by a model behind OpenAI's wire, mishaps and false sentences included."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from lace.ingest.v1 import facts_pb2
from lace.runs.v1 import runs_pb2
from lace_client import LaceClient
from lace_core import contracts
from lace_platform import telemetry
from lace_platform.config import load_process_config
from lace_proto.descriptors import rest_methods
from lace_standalone.bootstrap import run
from lace_standalone.embedded_postgres import EmbeddedPostgres
from tests.doubles.openai_server import OpenAIDouble, dripping, error, serving, text
from tests.doubles.writing_model import WritingModel, broken_off, busy, cut

pytestmark = pytest.mark.slow  # what the model says and how it is asked is tried in tests/integration/lace_gateway

KEY = "sk-e2e-5f1c0a77d9b24e36-of-no-one"
MODEL = "gpt-4o-mini"
ANSWERED = f"{MODEL}-2026-01-01"
WAIT_S = 1
ENDED_S = 9.0
SOURCES = {
    "bridge.md": "# Cost\n\nThe bridge cost 4.2 million pounds. The council paid 3.0 million pounds of the cost.\n",
    "survey.md": "# Safety\n\nInspectors tested the bridge on 3 May 2022. No crack was found in the main girders.\n\n"
    + " ".join(f"Bearing {number} carries {number * 7 + 40} tonnes." for number in range(1, 11))
    + "\n",
}
TESTED = "Inspectors tested the bridge on 3 May 2022."
REWORDED = "On 3 May 2022 inspectors tested the bridge."
COST = "The bridge cost 4.2 million pounds."
FALSE = "The bridge cost 9.9 million pounds."


@dataclass(frozen=True)
class Written:
    """A document of the model's: the run with its events, the text, the verdicts on it and the calls it took."""

    run: runs_pb2.Run
    events: list[str]
    markdown: str
    verdicts: list[dict[str, Any]]
    calls: list[dict[str, Any]]


@dataclass(frozen=True)
class Desk:
    """An installation whose environment names the model's server, and what it logs."""

    url: str
    token: str
    data_dir: Path
    log: io.StringIO
    server: OpenAIDouble
    model: WritingModel

    def ask(self, path: str) -> dict[str, Any]:
        """What the REST API answers."""
        headers = {"authorization": f"Bearer {self.token}"}
        answer = httpx.get(f"{self.url}{path}", headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def calls(self, run_id: str) -> list[dict[str, Any]]:
        """The run's calls in the ledger."""
        return list(self.ask(f"/v1/runs/{run_id}/calls?page_size=500")["calls"])


@contextlib.contextmanager
def logged(environ: dict[str, str]) -> Iterator[io.StringIO]:
    """Every line that the product logs in the block, whatever its level; logging is afterwards what it was."""
    was, root = structlog.get_config() if structlog.is_configured() else None, logging.getLogger()
    handlers, level = root.handlers[:], root.level
    lines = io.StringIO()
    telemetry.configure("lace", load_process_config(env_file=None, environ=environ), lines)
    try:
        yield lines
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**was) if was else structlog.reset_defaults()


@pytest.fixture(scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory, scratch: Path) -> AsyncIterator[Desk]:
    data_dir = scratch / "openai"
    database = EmbeddedPostgres(data_dir / "postgres", durable=False)
    dsn = await database.start()
    try:
        async with serving() as server:
            server.otherwise = model = WritingModel(reworded={TESTED: REWORDED}, false={COST: FALSE})
            environ = {
                "LACE_DATA_DIR": str(data_dir),
                "LACE_GATEWAY_PORT": "0",
                "LACE_LOG_LEVEL": "debug",
                "OPENAI_API_KEY": KEY,
                "OPENAI_BASE_URL": server.base_url,
                "OPENAI_MODEL": MODEL,
            }
            with logged(environ) as log:
                config = load_process_config(env_file=None, environ=environ)
                async with run(replace(config, dsn=dsn)) as running:
                    desk = Desk(running.url, running.token, data_dir, log, server, model)
                    await asyncio.to_thread(read_sources, desk, tmp_path_factory.mktemp("sources"))
                    yield desk
    finally:
        await database.stop()


@pytest.fixture(scope="module")
async def written(desk: Desk) -> Written:
    """One document, for which a call was put off and an answer broke off."""
    # A server may well repeat the key in what it says.
    desk.model.will(contracts.OUTLINE, busy(WAIT_S, f"Too many requests with {KEY}."))
    desk.model.will(contracts.WRITE, broken_off)
    return await asyncio.to_thread(write, desk)


def read_sources(desk: Desk, folder: Path) -> None:
    for name, content in SOURCES.items():
        (folder / name).write_text(content)
    with LaceClient(desk.url, desk.token) as client:
        ingestion = client.ingest([folder / name for name in SOURCES])
        for _ in client.watch_run(ingestion.run_id):
            pass
        assert {source.unit_count > 0 for source in client.list_sources()} == {True}


def start(client: LaceClient) -> str:
    started = client.start_run("generate", title="The bridge", targets=["md"], settings={"llm.provider": "openai"})
    return started.run_id


def write(desk: Desk) -> Written:
    with LaceClient(desk.url, desk.token) as client:
        run_id = start(client)
        events = [str(event) for event in client.watch_run(run_id)]
        done = client.get_run(run_id)
        assert done.state == runs_pb2.RUN_STATE_SUCCEEDED, (done.error_code, done.error_message)
        [compiled] = client.list_compiled(done.artifact_id)
        markdown = client.download(compiled, desk.data_dir / "bridge.out.md").read_text()
    verdicts = desk.ask(f"/v1/artifacts/{done.artifact_id}/verdicts")["verdicts"]
    return Written(done, events, markdown, verdicts, desk.calls(run_id))


def test_the_document_is_the_model_s_and_cited(written: Written) -> None:
    assert "## 1 Cost" in written.markdown
    assert "## 2 Safety" in written.markdown
    assert written.run.result.sentences == written.run.result.cited_sentences > len(SOURCES)
    assert written.run.result.cited_sources == len(SOURCES)


def test_what_is_said_in_other_words_stands(written: Written) -> None:
    assert REWORDED in written.markdown
    found = [verdict for verdict in written.verdicts if verdict["text"] == REWORDED]
    assert found
    for verdict in found:
        assert verdict["verdict"] == "supported"
        assert verdict["in_document"]
        assert "quote: not verbatim" in verdict["reasons"]
        assert "judge: supported ()" in verdict["reasons"]


def test_a_false_number_is_kept_out_and_told(written: Written) -> None:
    assert "4.2 million" in written.markdown
    assert "9.9" not in written.markdown
    kept_out = [verdict for verdict in written.verdicts if not verdict.get("in_document")]
    assert {verdict["text"] for verdict in kept_out} == {FALSE}
    for verdict in kept_out:
        assert verdict["verdict"] == "contradicted"
        assert verdict["reasons"][-1] == "numbers: 9.9 million is not in the evidence"
    assert written.run.result.warnings > 0


# Where what was kept out may be read, as what it is: verdicts, the queue of those who decide, and what was withheld.
_TOLD_AS_SUCH = ("ListVerdicts", "ListReviews", "GetReview", "ListReviewEvents")


async def test_what_was_kept_out_is_content_nowhere(desk: Desk, written: Written) -> None:
    looked = await asyncio.to_thread(_read_everything, desk, written.run.artifact_id)
    assert {"GetArtifact", "GetNode", "ListRevisions", "ListVerdicts"} <= {name for name, _ in looked}
    assert [name for name, text in looked if "9.9 million" in text and name not in _TOLD_AS_SUCH] == []
    assert {verdict["text"] for verdict in written.verdicts if not verdict.get("in_document")} == {FALSE}
    assert {verdict["standing"] for verdict in written.verdicts if verdict.get("in_document")} == {"verified"}
    judges = [layer for v in written.verdicts for layer in v["layers"] if layer["layer"] == "judge"]
    assert judges
    assert {layer["call_id"] for layer in judges} <= {call["call_id"] for call in written.calls}


def _read_everything(desk: Desk, artifact_id: str) -> list[tuple[str, str]]:
    """What every read of a document answers that takes no more than the document, its revision and its nodes."""
    shown = desk.ask(f"/v1/artifacts/{artifact_id}")
    ids = {"artifact_id": artifact_id, "revision_id": shown["revision_id"], "ref": shown["revision_id"]}
    found = []
    with httpx.Client(headers={"authorization": f"Bearer {desk.token}"}, timeout=30) as client:
        for method in rest_methods():
            names = set(re.findall(r"{(\w+)", method.path))
            if method.http_verb.lower() != "get" or "artifact_id" not in names or not names <= {*ids, "node_id"}:
                continue
            for node in shown["nodes"] if "node_id" in names else shown["nodes"][:1]:
                values = {**ids, "node_id": node["node_id"]}
                path = re.sub(r"{(\w+)[^}]*}", lambda match: values[match[1]], method.path)  # noqa: B023
                found.append((method.name, client.get(f"{desk.url}{path}").text))
    return found


def test_the_ledger_has_every_answer_of_the_model(written: Written) -> None:
    writing = (contracts.INTENT, contracts.OUTLINE, contracts.STRATEGY, contracts.WRITE, contracts.JUDGE)
    assert {call["contract"] for call in written.calls} == {contract.name for contract in writing}
    for call in written.calls:
        told = call["provider"], call["requested_model"], call["answered_model"]
        assert told == ("openai", MODEL, ANSWERED)
        assert int(call["input_tokens"]) > 0
        assert int(call["output_tokens"]) > 0
        assert int(call["cost_micro_usd"]) > 0
        assert call["count_method"] == "provider"


def test_a_busy_server_is_given_the_time_it_asks_for(desk: Desk, written: Written) -> None:
    moments = [moment for name, moment in desk.model.asked if name == contracts.OUTLINE.name]
    assert moments[1] - moments[0] >= WAIT_S
    [call] = [call for call in written.calls if call["contract"] == contracts.OUTLINE.name]
    assert not call.get("error_code")


def test_an_answer_that_breaks_off_is_asked_for_again(written: Written) -> None:
    [broken] = [call for call in written.calls if call.get("error_code")]
    assert (broken["contract"], broken["error_code"]) == (contracts.WRITE.name, "PROVIDER_OUTPUT_INVALID")
    [again] = [call for call in written.calls if call["step_id"] == broken["step_id"] and call is not broken]
    assert again["attempt"] == broken["attempt"] + 1
    assert again["input_hash"] == broken["input_hash"]


async def test_an_answer_cut_at_its_limit_fails_the_run_which_then_goes_on(desk: Desk, written: Written) -> None:
    desk.model.will(contracts.WRITE, cut)

    def fail_and_restart() -> tuple[runs_pb2.Run, runs_pb2.Run]:
        with LaceClient(desk.url, desk.token) as client:
            first = start(client)
            list(client.watch_run(first))
            second = client.restart_run(first, from_step_id="context").run_id
            list(client.watch_run(second))
            return client.get_run(first), client.get_run(second)

    failed, done = await asyncio.to_thread(fail_and_restart)
    assert (failed.state, failed.error_code) == (runs_pb2.RUN_STATE_FAILED, "PROVIDER_OUTPUT_TRUNCATED")
    assert "llm.max_output_tokens" in failed.error_message
    assert done.state == runs_pb2.RUN_STATE_SUCCEEDED, (done.error_code, done.error_message)
    calls = await asyncio.to_thread(desk.calls, failed.run_id)
    [halved] = [call for call in calls if call.get("error_code") == "PROVIDER_OUTPUT_TRUNCATED"]
    assert (halved["finish_reason"], int(halved["output_tokens"]) > 0) == ("length", True)
    again = {call["contract"] for call in await asyncio.to_thread(desk.calls, done.run_id)}
    assert again == {contracts.STRATEGY.name, contracts.WRITE.name, contracts.JUDGE.name}


async def test_facts_are_those_that_the_quotes_of_the_model_state(desk: Desk, written: Written) -> None:
    sources = (await asyncio.to_thread(desk.ask, "/v1/sources"))["sources"]
    [bridge] = [source for source in sources if source["filename"] == "bridge.md"]
    desk.model.lie = FALSE

    def extract() -> tuple[runs_pb2.Run, list[facts_pb2.Fact]]:
        with LaceClient(desk.url, desk.token) as client:
            started = client.facts.extract(bridge["source_id"], settings={"llm.provider": "openai"})
            list(client.watch_run(started.run_id))
            return client.get_run(started.run_id), list(client.facts.list(bridge["source_id"]))

    try:
        run, facts = await asyncio.to_thread(extract)
    finally:
        desk.model.lie = ""
    assert run.state == runs_pb2.RUN_STATE_SUCCEEDED, (run.error_code, run.error_message)
    told = run.result.facts
    assert (told.added, told.review, told.refused) == (2, 0, 2)
    assert [fact.statement for fact in facts] == [COST, "The council paid 3.0 million pounds of the cost."]
    [call] = await asyncio.to_thread(desk.calls, run.run_id)
    for fact in facts:
        assert (fact.call_id, fact.contract) == (call["call_id"], contracts.EXTRACT_FACTS.name)
        assert (fact.model, fact.template_hash) == (f"openai/{ANSWERED}", call["template_hash"])


async def test_cancelling_reaches_an_answer_that_is_half_written(desk: Desk, written: Written) -> None:
    desk.server.left_early.clear()
    # So slowly that it would take minutes: what ends within seconds was cancelled.
    desk.model.will(contracts.WRITE, lambda content: dripping(text(content), 10.0))
    writing = asyncio.Event()
    loop = asyncio.get_running_loop()

    def cancel_while_it_writes() -> tuple[runs_pb2.Run, float]:
        with LaceClient(desk.url, desk.token) as client:
            run_id = start(client)
            asyncio.run_coroutine_threadsafe(writing.wait(), loop).result(60)
            began = time.monotonic()
            client.cancel_run(run_id, reason="changed my mind")
            list(client.watch_run(run_id))
            return client.get_run(run_id), time.monotonic() - began

    before = desk.server.pieces_sent

    async def until_it_writes() -> None:
        while contracts.WRITE.name not in [name for name, _ in desk.model.asked[asked:]]:
            await asyncio.sleep(0.01)
        sent = desk.server.pieces_sent
        while desk.server.pieces_sent == sent == before:
            await asyncio.sleep(0.01)
        writing.set()

    asked = len(desk.model.asked)
    watching = asyncio.create_task(until_it_writes())
    run, seconds = await asyncio.to_thread(cancel_while_it_writes)
    await watching
    assert run.state == runs_pb2.RUN_STATE_CANCELLED
    assert seconds < ENDED_S
    await asyncio.wait_for(desk.server.left_early.wait(), ENDED_S)
    assert desk.server.pieces_sent > before
    async with asyncio.timeout(30):  # until every call is settled: the gateway does that when the run has ended already
        while True:
            calls = await asyncio.to_thread(desk.calls, run.run_id)
            if all(call.get("output_hash") or call.get("error_code") for call in calls):
                break
            await asyncio.sleep(0.02)
    given_up = {(call["contract"], call["error_code"]) for call in calls if call.get("error_code")}
    assert (contracts.WRITE.name, "RUN_CANCELLED") in given_up
    assert {code for _, code in given_up} == {"RUN_CANCELLED"}  # a judge of another section may be cut short as well


async def test_a_long_answer_tells_how_far_it_is_and_nothing_of_what_it_says(desk: Desk, written: Written) -> None:
    desk.model.will(contracts.WRITE, lambda content: dripping(text(content), 0.06))

    def follow() -> list[Any]:
        with LaceClient(desk.url, desk.token) as client:
            return list(client.watch_run(start(client)))

    events = await asyncio.to_thread(follow)
    assert events[-1].event_type == "pipeline.run.completed"
    told = [event for event in events if "model's answer" in event.payload.step_progress.message]
    counts = [event.payload.step_progress.done for event in told if event.step_id == told[0].step_id]
    assert len(counts) >= 2
    assert counts == sorted(set(counts))
    assert {event.payload.step_progress.message for event in told} == {"Tokens of the model's answer."}


async def test_the_key_is_told_to_the_model_alone(desk: Desk, written: Written) -> None:
    assert set(desk.server.authorizations) == {f"Bearer {KEY}"}
    lines = desk.log.getvalue()
    assert '"event": "installation_ready"' in lines
    assert KEY not in lines
    assert written.events
    assert not [event for event in written.events if KEY in event]
    assert not [call for call in written.calls if KEY in str(call)]
    logs = await asyncio.to_thread(desk.ask, f"/v1/provenance/runs/{written.run.run_id}?page_size=500")
    assert logs["logs"]
    assert KEY not in str(logs)
    files = [path for path in desk.data_dir.rglob("*") if path.is_file() and "postgres" not in path.parts]
    assert files
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


async def test_a_refusal_that_repeats_the_key_is_told_without_it(desk: Desk, written: Written) -> None:
    desk.server.will(error(400, f"Authentication Error, received API key {KEY}."))

    def validate() -> str:
        with LaceClient(desk.url, desk.token) as client:
            answer = client.validate_provider("openai")
            assert (answer.ok, answer.error_code) == (False, "INVALID_ARGUMENT")
            return str(answer.message)

    message = await asyncio.to_thread(validate)
    assert "Authentication Error" in message
    assert KEY not in message
    assert KEY not in desk.log.getvalue()
