"""The main job, from a folder of documents to a cited, compiled document, by the command that a newcomer calls."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pypdf
import pytest

from lace.common.v1 import event_pb2
from lace.runs.v1 import artifacts_pb2, runs_pb2
from lace_cli.main import run
from lace_client import LaceClient
from tests.e2e.conftest import RunningInstallation

ROOT = Path(__file__).resolve().parents[2]
DOSSIER = ROOT / "examples" / "dossier"
FACTS: dict[str, Any] = json.loads((ROOT / "examples" / "dossier-facts.json").read_text())
FORMATS = (".md", ".docx", ".pdf", ".ttl")


@dataclass(frozen=True)
class Outcome:
    """What the command wrote and printed, and what the API says of it afterwards."""

    files: dict[str, Path]
    printed: str
    run: runs_pb2.Run
    artifact: artifacts_pb2.Artifact
    events: Sequence[event_pb2.RunEvent]

    @property
    def markdown(self) -> str:
        return self.files[".md"].read_text()


@pytest.fixture(scope="module")
async def outcome(installation: RunningInstallation, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """`lace demo` on a running installation, once for all tests of this module."""
    out = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LACE_URL", installation.url)
        patch.setenv("LACE_TOKEN", installation.token)
        for name in ("OPENAI_API_KEY", "LACE_OPENAI_API_KEY"):
            patch.delenv(name, raising=False)
        patch.chdir(ROOT)
        printed = await asyncio.to_thread(_demo, out)
    with LaceClient(installation.url, installation.token) as client:
        return await asyncio.to_thread(_outcome, client, out, printed)


def _demo(out: Path) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(io.StringIO()) as complaints:
        code = run(["demo", "--out", str(out)])
    assert code == 0, complaints.getvalue()
    assert complaints.getvalue() == ""
    return printed.getvalue()


def _outcome(client: LaceClient, out: Path, printed: str) -> Outcome:
    done = next(each for each in client.list_runs() if each.pipeline_id == "generate")
    files = {path.suffix: path for path in out.iterdir()}
    return Outcome(files, printed, done, client.get_artifact(done.artifact_id), list(client.watch_run(done.run_id)))


def plain(text: str) -> str:
    """Without markup and with single blanks, as a reader compares."""
    return re.sub(r"\s+", " ", re.sub(r"[*`\\]", "", text))


def figures_of(text: str) -> set[str]:
    """The numbers in it, `31.2` and `9,200` included."""
    return set(re.findall(r"\d[\d,.]*\d|\d", text))


def body_of(markdown: str) -> str:
    """The document without its list of sources."""
    return markdown.split('<a id="sources"></a>', maxsplit=1)[0]


def test_it_writes_one_file_of_each_format(outcome: Outcome) -> None:
    assert sorted(outcome.files) == sorted(FORMATS)
    for path in outcome.files.values():
        assert path.name.startswith("harrow-bay-water-renewal")
        assert str(path) in outcome.printed


def test_every_sentence_is_cited(outcome: Outcome) -> None:
    result = outcome.run.result
    assert result.sentences == result.cited_sentences > 100
    assert result.cited_sources == len(list(DOSSIER.iterdir()))
    line = f"{result.cited_sentences} of {result.sentences} sentences cited to {result.cited_sources} sources"
    assert line in outcome.printed


def test_every_citation_leads_to_a_passage(outcome: Outcome) -> None:
    text = outcome.markdown
    cited = set(re.findall(r"\(#(ref-\d+)\)", body_of(text)))
    listed = re.findall(r'<a id="(ref-\d+)"></a>', text)
    assert len(listed) == len(set(listed)) > 100
    assert cited == set(listed)


def test_quoted_passages_stand_in_the_documents_that_they_name(outcome: Outcome) -> None:
    sources = {path.name: plain(path.read_text()) for path in DOSSIER.iterdir() if path.suffix in (".md", ".txt")}
    quotes = re.findall(r"^- .*?\*\*\[\d+\]\*\* (\S+?)(?:, .*?)?: “(.*)”$", outcome.markdown, re.MULTILINE)
    checked = [(name, plain(quote)) for name, quote in quotes if name in sources and " | " not in plain(quote)]
    assert len(checked) > 20
    missing = [(name, quote) for name, quote in checked if quote not in sources[name]]
    assert missing == []


def test_it_says_what_the_dossier_is_about(outcome: Outcome) -> None:
    text = plain(re.sub(r"\s*\[\[\d+\]\]\(#ref-\d+\)", "", body_of(outcome.markdown)))
    sentences = [figures_of(sentence) for sentence in re.split(r"(?<=[.!?]) ", text)]
    told = [
        fact["fact"]
        for fact in FACTS["facts"]
        # In its source's own words, or with all its figures in one sentence.
        if plain(fact["quote"]) in text or any(figures_of(fact["fact"]) <= found for found in sentences if found)
    ]
    assert len(told) >= len(FACTS["facts"]) // 2, told
    budget = FACTS["revisions"][0]
    for figure in (budget["from"]["value"], budget["to"]["value"], budget["outturn"]["value"]):
        assert figure in text


def test_it_is_a_document_with_sections_and_tables(outcome: Outcome) -> None:
    text = outcome.markdown
    assert text.startswith(f"# {FACTS['title']}\n")
    assert len(re.findall(r"^## \d+ ", text, re.MULTILINE)) >= 5
    assert text.count("| --- |") >= 2
    titles = [node.title for node in outcome.artifact.nodes]
    assert len(titles) == len(set(titles))


def test_the_pdf_has_pages_bookmarks_and_a_title(outcome: Outcome) -> None:
    reader = pypdf.PdfReader(outcome.files[".pdf"])
    assert len(reader.pages) >= 5
    assert reader.metadata is not None
    assert reader.metadata.title == FACTS["title"]
    assert len(reader.outline) >= 5


def test_the_docx_and_the_ontology_are_what_they_are_called(outcome: Outcome) -> None:
    with zipfile.ZipFile(outcome.files[".docx"]) as package:
        assert package.testzip() is None
        assert "Harrow Bay Water Renewal" in package.read("word/document.xml").decode()
    turtle = outcome.files[".ttl"].read_text()
    assert "owl:Ontology" in turtle
    assert "Harrow Bay Water Renewal" in turtle


def test_its_events_are_whole_and_in_order(outcome: Outcome) -> None:
    assert [event.sequence for event in outcome.events] == list(range(1, len(outcome.events) + 1))
    assert outcome.events[0].event_type == "pipeline.run.requested"
    assert outcome.events[-1].event_type == "pipeline.run.completed"
    shares = [event.progress_pct for event in outcome.events if event.event_type == "pipeline.run.progress"]
    assert shares == sorted(shares)
    assert shares[-1] == 100


def test_progress_was_shown_on_the_way(outcome: Outcome) -> None:
    shown = [line for line in outcome.printed.splitlines() if line.startswith("Writing")]
    assert len(shown) >= 5
    # Sections are worked on side by side: which of their steps a line meets is a matter of time, not that it names one.
    assert any(" · " in line for line in shown)
    assert shown[-1].split()[-1] == "succeeded"


def test_the_run_names_what_it_committed(outcome: Outcome) -> None:
    assert outcome.artifact.revision_id == outcome.run.result.revision_id
    assert outcome.artifact.content_hash == outcome.run.result.content_hash
    assert outcome.artifact.ir_hash == outcome.run.result.ir_hash


async def test_the_document_passes_the_suite_that_comes_with_it(outcome: Outcome, client: LaceClient) -> None:
    text = (ROOT / "examples" / "suites" / "harrow-bay.yaml").read_text()
    found = await asyncio.to_thread(client.suites.test, outcome.artifact.artifact_id, text=text)
    failed = {check.check_id: check.message for check in found.checks if check.findings}
    assert (failed, found.passed, found.skipped) == ({}, 24, 1)


async def test_it_fails_a_suite_that_forbids_what_it_says_and_asks_what_it_does_not(
    outcome: Outcome, client: LaceClient
) -> None:
    text = """
lace_suite: 1
name: strict
checks:
- {id: closed, rule: answers, question: When did the old pumping station close?}
- {id: cost, rule: forbidden_claim, claim: The final cost of Harrow Bay Water Renewal is £30.64 million.}
- {id: deep, rule: max_depth, at_most: 1}
"""
    found = await asyncio.to_thread(client.suites.test, outcome.artifact.artifact_id, text=text)
    codes = {check.check_id: {finding.code for finding in check.findings} for check in found.checks}
    assert codes == {"closed": {"QUESTION_UNCLEAR"}, "cost": {"CLAIM_STATED"}, "deep": {"SECTION_TOO_DEEP"}}
