"""The demo written by a model that paraphrases and slips in falsehoods of every kind, and then by its recordings."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from lace.runs.v1 import evaluations_pb2, runs_pb2
from lace_client import LaceClient
from lace_core.verification.wording import normalise
from lace_platform.config import load_process_config
from lace_standalone.bootstrap import run
from lace_standalone.embedded_postgres import EmbeddedPostgres
from tests.doubles.falsehoods import KINDS, STITCHED, WRONG_SOURCE
from tests.doubles.falsifying_model import FalsifyingModel
from tests.doubles.openai_server import OpenAIDouble, error, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
ROOT = Path(__file__).parents[2]
DOSSIER = ROOT / "examples" / "dossier"
TITLE = "Harrow Bay Water Renewal: what was built, what it cost and how it performs"
# Kinds for which the dossier's own sentences give too little to take hold of may come seldom, but they come.
LEAST_OF_A_KIND = 2
PARAPHRASES_THAT_SURVIVE = 0.8


@dataclass(frozen=True)
class Sentence:
    """A sentence that is displayed, with the quotes of its evidence."""

    text: str
    quotes: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """A written document: the run, what is displayed, what was found of each sentence, and how well it is cited."""

    run: runs_pb2.Run
    displayed: Sequence[Sentence]
    markdown: str
    verdicts: Sequence[Mapping[str, Any]]
    citations: evaluations_pb2.CitationReport


@dataclass(frozen=True)
class Desk:
    """An installation whose provider replay asks the double, and records it."""

    url: str
    token: str
    folder: Path
    server: OpenAIDouble
    model: FalsifyingModel


@pytest.fixture(scope="module")
async def desk(scratch: Path) -> AsyncIterator[Desk]:
    data_dir = scratch / "falsehoods"
    database = EmbeddedPostgres(data_dir / "postgres", durable=False)
    dsn = await database.start()
    try:
        async with serving() as server:
            server.otherwise = model = FalsifyingModel()
            environ = {
                "LACE_DATA_DIR": str(data_dir),
                "LACE_GATEWAY_PORT": "0",
                "LACE_LOG_LEVEL": "warning",
                "LACE_INGEST_EMBEDDING": "false",
                "LACE_REPLAY_FOLDER": str(data_dir / "recordings"),
                "LACE_REPLAY_SOURCE": "openai",
                "OPENAI_API_KEY": "sk-of-no-one",
                "OPENAI_BASE_URL": server.base_url,
                "OPENAI_MODEL": "gpt-4o-mini",
            }
            config = load_process_config(env_file=None, environ=environ)
            async with run(replace(config, dsn=dsn)) as running:
                desk = Desk(running.url, running.token, data_dir, server, model)
                await asyncio.to_thread(_read_dossier, desk)
                yield desk
    finally:
        await database.stop()


@pytest.fixture(scope="module")
async def outcome(desk: Desk) -> Outcome:
    """The document as the model's answers make it, which are recorded on the way."""
    return await asyncio.to_thread(_write, desk)


def _read_dossier(desk: Desk) -> None:
    with LaceClient(desk.url, desk.token) as client:
        ingestion = client.ingest(sorted(DOSSIER.iterdir()))
        list(client.watch_run(ingestion.run_id))
        assert {source.unit_count > 0 for source in client.list_sources()} == {True}


def _write(desk: Desk) -> Outcome:
    with LaceClient(desk.url, desk.token, timeout_s=60) as client:
        settings = {"llm.provider": "replay", "runs.max_sections": 12}
        started = client.start_run("generate", title=TITLE, targets=["md"], settings=settings)
        list(client.watch_run(started.run_id))
        done = client.get_run(started.run_id)
        assert done.state == runs_pb2.RUN_STATE_SUCCEEDED, (done.error_code, done.error_message)
        [compiled] = client.list_compiled(done.artifact_id)
        markdown = client.download(compiled, desk.folder / f"{done.run_id}.md").read_text()
        citations = client.evaluations.of_document(done.artifact_id).citation_report
    path = f"/v1/artifacts/{done.artifact_id}"
    nodes = [_ask(desk, f"{path}/nodes/{node['node_id']}")["node"] for node in _ask(desk, path)["nodes"]]
    return Outcome(done, tuple(_displayed(nodes)), markdown, _verdicts(desk, done.artifact_id), citations)


def _displayed(nodes: Sequence[Mapping[str, Any]]) -> list[Sentence]:
    found = []
    for node in nodes:
        quotes = {piece["evidence_id"]: piece["quote"] for piece in node["evidence"]}
        for block in node["blocks"]:
            paragraph, items = block.get("paragraph") or {}, block.get("list") or {}
            for own in (*paragraph.get("sentences", ()), *items.get("items", ())):
                found.append(Sentence(own["text"], tuple(quotes[ident] for ident in own["evidence_ids"])))
    return found


def _verdicts(desk: Desk, artifact_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        page = _ask(desk, f"/v1/artifacts/{artifact_id}/verdicts?page_size=1000&page_token={token}")
        found += page["verdicts"]
        token = page.get("next_page_token", "")
        if not token:
            return found


def _ask(desk: Desk, path: str) -> dict[str, Any]:
    answer = httpx.get(f"{desk.url}{path}", headers={"authorization": f"Bearer {desk.token}"}, timeout=30)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _caught(outcome: Outcome, model: FalsifyingModel) -> Counter[str]:
    """By kind, the false sentences that were kept out, each with its verdict."""
    out = {own["text"] for own in outcome.verdicts if not own["in_document"]}
    return Counter(kind for text, kind in model.told.items() if text in out)


def test_no_falsehood_of_any_kind_is_displayed(desk: Desk, outcome: Outcome) -> None:
    shown = {own.text for own in outcome.displayed}
    assert shown & desk.model.told.keys() == set()
    plain = normalise(outcome.markdown)
    true = {normalise(text) for own in outcome.displayed for text in (own.text, *own.quotes)}
    # Half of a true sentence may be false by itself, and stands in the text or in the evidence with the other half.
    found = [text for text in desk.model.told if (own := normalise(text)) in plain and not any(own in t for t in true)]
    assert found == []


def test_every_falsehood_is_kept_with_its_verdict_and_counted_by_kind(
    desk: Desk, outcome: Outcome, record_testsuite_property: Callable[[str, object], None]
) -> None:
    made, caught = Counter(desk.model.told.values()), _caught(outcome, desk.model)
    for kind, count in sorted(caught.items()):
        record_testsuite_property(f"caught {kind}", f"{count} of {made[kind]}")
    assert set(made) == {*KINDS, STITCHED}
    assert min(made.values()) >= LEAST_OF_A_KIND, made
    assert caught == made


def test_right_words_from_the_wrong_source_are_not_displayed(desk: Desk, outcome: Outcome) -> None:
    assert desk.model.misplaced, WRONG_SOURCE
    wrong = [own for own in outcome.displayed for quote in own.quotes if (own.text, quote) in desk.model.misplaced]
    assert wrong == []


def test_the_true_sentences_survive(
    desk: Desk, outcome: Outcome, record_testsuite_property: Callable[[str, object], None]
) -> None:
    shown = {own.text for own in outcome.displayed}
    for name, told in (("verbatim", desk.model.true), ("paraphrased", desk.model.paraphrases)):
        record_testsuite_property(f"true {name}", f"{len(told & shown)} of {len(told)}")
    assert len(desk.model.true) > 100
    assert desk.model.true - shown == set()
    assert len(desk.model.paraphrases) > 20
    survived = desk.model.paraphrases & shown
    assert len(survived) >= PARAPHRASES_THAT_SURVIVE * len(desk.model.paraphrases), desk.model.paraphrases - survived


def test_what_is_displayed_is_all_carried_by_its_citations(outcome: Outcome) -> None:
    whole = outcome.citations.whole
    assert whole.pieces >= len(outcome.displayed) > 100
    assert (whole.uncited, whole.recall.count) == (0, whole.pieces)


async def test_the_recordings_alone_write_the_same_document(desk: Desk, outcome: Outcome) -> None:
    recorded = sorted((desk.folder / "recordings").glob("*.json"))
    assert len(recorded) >= 5
    was, asked = desk.server.otherwise, len(desk.model.asked)
    desk.server.otherwise = error(500, "nobody is to be asked again")
    try:
        again = await asyncio.to_thread(_write, desk)
    finally:
        desk.server.otherwise = was
    assert len(desk.model.asked) == asked
    assert [own.text for own in again.displayed] == [own.text for own in outcome.displayed]
