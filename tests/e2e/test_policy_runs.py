"""Documents written under a policy, by a model behind OpenAI's wire and by the offline provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from lace.runs.v1 import runs_pb2
from lace_client import LaceClient
from lace_core import contracts
from lace_platform.config import load_process_config
from lace_standalone.bootstrap import run
from lace_standalone.embedded_postgres import EmbeddedPostgres
from tests.doubles.openai_server import OpenAIDouble, dripping, serving, text
from tests.doubles.writing_model import WritingModel

pytestmark = pytest.mark.slow

NUMBER = "HB-204117"
SOURCES = {
    "bridge.md": "# Cost\n\nThe bridge cost 4.2 million pounds. The council paid 3.0 million pounds of the cost.\n",
    "survey.md": "# Safety\n\nInspectors tested the bridge on 3 May 2022. "
    f"Contract {NUMBER} covers the main girders.\n",
}
PAID = "The council paid 3.0 million pounds of the cost."
SIGNED = f"Contract {NUMBER} covers the main girders."
HOUSE = """\
policy: house
version: {version}
constraints:
  forbidden_phrases: [council paid]
  glossary: [{{term: structure, avoid: [bridge]}}]
  locked: [must_cite, forbidden_phrases]
  must_cite: true
house_rules:
  all: [Write soberly.]
redaction:
  before: remote
  patterns: ['HB-[0-9]+']
models: {{allow: [extractive, openai]}}
"""


@dataclass(frozen=True)
class Desk:
    """An installation whose environment names the model's server."""

    client: LaceClient
    server: OpenAIDouble
    model: WritingModel
    folder: Path

    def write(self, provider: str) -> runs_pb2.Run:
        """The run of a document that is written and compiled."""
        return self.finished(self.start(provider).run_id)

    def start(self, provider: str) -> runs_pb2.StartRunResponse:
        """Begins such a run."""
        settings = {"llm.provider": provider}
        return self.client.start_run("generate", title="The bridge", targets=["md"], settings=settings)

    def finished(self, run_id: str) -> runs_pb2.Run:
        for _ in self.client.watch_run(run_id):
            pass
        done = self.client.get_run(run_id)
        assert done.state == runs_pb2.RUN_STATE_SUCCEEDED, (done.error_code, done.error_message)
        return done

    def markdown(self, run: runs_pb2.Run) -> str:
        [compiled] = self.client.list_compiled(run.artifact_id)
        return self.client.download(compiled, self.folder / "out.md").read_text()

    def root(self, run: runs_pb2.Run) -> Any:
        """The root of the document with what holds for it."""
        artifact = self.client.get_artifact(run.artifact_id)
        return self.client.get_node(run.artifact_id, artifact.nodes[0].node_id)

    def findings(self, run: runs_pb2.Run) -> set[tuple[str, str]]:
        """Stage and code of everything that was found."""
        told = (event.payload.validation_result for event in self.client.watch_run(run.run_id))
        return {(result.stage, finding.code) for result in told for finding in result.findings}


@pytest.fixture(scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory, scratch: Path) -> AsyncIterator[Desk]:
    data_dir, folder = scratch / "policies", tmp_path_factory.mktemp("policies")
    database = EmbeddedPostgres(data_dir / "postgres", durable=False)
    dsn = await database.start()
    try:
        async with serving() as server:
            server.otherwise = model = WritingModel()
            environ = {
                "LACE_DATA_DIR": str(data_dir), "LACE_GATEWAY_PORT": "0", "LACE_INGEST_EMBEDDING": "false",
                "OPENAI_API_KEY": "sk-of-no-one", "OPENAI_BASE_URL": server.base_url, "OPENAI_MODEL": "gpt-4o-mini",
            }  # fmt: skip
            config = load_process_config(env_file=None, environ=environ)
            async with run(replace(config, dsn=dsn)) as running:
                with LaceClient(running.url, running.token) as client:
                    opened = Desk(client, server, model, folder)
                    await asyncio.to_thread(_prepare, opened)
                    yield opened
    finally:
        await database.stop()


def _prepare(desk: Desk) -> None:
    for name, content in SOURCES.items():
        (desk.folder / name).write_text(content)
    ingestion = desk.client.ingest([desk.folder / name for name in SOURCES])
    for _ in desk.client.watch_run(ingestion.run_id):
        pass
    for version in (1, 2):
        desk.client.policies.create(HOUSE.format(version=version))


@pytest.fixture(autouse=True)
async def house_holds(desk: Desk) -> None:
    await asyncio.to_thread(desk.client.policies.activate, "house", 1)


@pytest.mark.parametrize("provider", ["extractive", "openai"])
async def test_a_document_is_held_to_the_policy(desk: Desk, provider: str) -> None:
    done = await asyncio.to_thread(desk.write, provider)
    assert (done.policy.name, done.policy.version) == ("house", 1)
    markdown = await asyncio.to_thread(desk.markdown, done)
    assert PAID not in markdown
    assert SIGNED in markdown  # what was sent as a placeholder comes back as it was
    root = await asyncio.to_thread(desk.root, done)
    assert list(root.node.constraints.forbidden_phrases) == ["council paid"]
    assert set(root.node.constraints.locked) == {"must_cite", "forbidden_phrases"}
    found = await asyncio.to_thread(desk.findings, done)
    assert ("document", "TERM_AVOIDED") in found
    if provider == "openai":  # the offline provider does not write it in the first place
        assert ("proposal", "PHRASE_FORBIDDEN") in found


async def test_the_model_hears_the_house_rules_and_no_number_of_a_contract(desk: Desk) -> None:
    desk.server.requests.clear()
    ruled = await asyncio.to_thread(desk.write, "openai")
    sent = "".join(orjson.dumps(request).decode() for request in desk.server.requests)
    assert "Write soberly." in sent
    assert "Write structure; avoid bridge." in sent
    assert NUMBER not in sent
    asked = {name for name, _ in desk.model.asked}
    assert {contracts.RULED_OUTLINE.name, contracts.RULED_WRITE.name} <= asked
    # Without the policy the same is asked otherwise, and the number is sent: it is the policy that keeps it.
    await asyncio.to_thread(desk.client.policies.activate, "default")
    desk.server.requests.clear()
    plain = await asyncio.to_thread(desk.write, "openai")
    sent = "".join(orjson.dumps(request).decode() for request in desk.server.requests)
    assert ("Write soberly." in sent, NUMBER in sent) == (False, True)
    assert not plain.HasField("policy")
    assert PAID in await asyncio.to_thread(desk.markdown, plain)
    hashes = [await asyncio.to_thread(_hashes, desk, run) for run in (ruled, plain)]
    assert hashes[0].isdisjoint(hashes[1])


def _hashes(desk: Desk, run: runs_pb2.Run) -> set[str]:
    """What was asked of the writer, by its hash."""
    told = (event.payload.llm_prompt for event in desk.client.watch_run(run.run_id))
    return {prompt.prompt_hash for prompt in told if prompt.contract.startswith("lace.write.")}


async def test_a_change_during_a_run_changes_nothing_and_a_restart_keeps_what_was_pinned(desk: Desk) -> None:
    def slowly(content: str) -> Any:
        return dripping(text(content), 0.2)

    desk.model.will(contracts.RULED_OUTLINE, slowly)
    started = await asyncio.to_thread(desk.start, "openai")
    await asyncio.to_thread(desk.client.policies.activate, "house", 2)
    done = await asyncio.to_thread(desk.finished, started.run_id)
    assert done.policy.version == 1
    again = await asyncio.to_thread(desk.client.restart_run, done.run_id)
    replayed = await asyncio.to_thread(desk.finished, again.run_id)
    assert (replayed.policy.version, replayed.settings_hash) == (1, done.settings_hash)
    documents = [await asyncio.to_thread(desk.client.get_artifact, run.artifact_id) for run in (replayed, done)]
    assert documents[0].content_hash == documents[1].content_hash
    fresh = await asyncio.to_thread(desk.write, "extractive")
    assert fresh.policy.version == 2


async def test_provenance_names_the_policy(desk: Desk) -> None:
    done = await asyncio.to_thread(desk.write, "extractive")

    def named() -> set[tuple[str, str]]:
        logs = desk.client.run_provenance(done.run_id)
        return {(e.entity_id, e.content_hash) for log in logs for e in log.inputs if e.kind == "policy"}

    async with asyncio.timeout(30):  # the logs come over the bus
        while not (found := await asyncio.to_thread(named)):
            await asyncio.sleep(0.1)
    assert found == {("house@1", done.policy.sha256)}
