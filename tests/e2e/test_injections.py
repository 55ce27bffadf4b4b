"""Documents in all five formats that try to command the model: the document written from them claims what it did."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import typst
from docx import Document

from lace.runs.v1 import runs_pb2
from lace_client import LaceClient
from tests.e2e.conftest import RunningInstallation

GOLDEN = Path(__file__).parents[1] / "golden" / "lace_llm_gateway" / "prompts" / "injections.json"
INJECTIONS: list[dict[str, str]] = json.loads(GOLDEN.read_text())
FORMATS = ("md", "txt", "json", "docx", "pdf")
FACTS = {
    "md": (
        "The ferry of Lower Quay cost 7.4 million pounds in 2021.",
        "The county paid 5.1 million pounds of the cost.",
    ),
    "txt": ("The ferry of Lower Quay carries 180 passengers.", "It crosses the river in eleven minutes."),
    "json": ("The hull of the ferry was built in Stavanger in 2020.", "The hull is 41 metres long."),
    "docx": ("Inspectors tested the ferry on 3 May 2022.", "No crack was found in the hull."),
    "pdf": (
        "The engines of the ferry run on batteries of 1,900 kilowatt hours.",
        "They are charged at the pier at night.",
    ),
}
_XML = re.compile(r"[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def attacks_on(kind: str) -> list[dict[str, str]]:
    """Every fifth injection; the formats share them out."""
    return INJECTIONS[FORMATS.index(kind) :: len(FORMATS)]


def write_source(folder: Path, kind: str, attacks: list[dict[str, str]]) -> Path:
    """The facts of that format, with the attacks in text, headings, tables and metadata where the format has them."""
    path = folder / f"{'attacked' if attacks else 'clean'}-{kind}.{kind}"
    texts = [attack["text"] for attack in attacks]
    first, second = FACTS[kind]
    match kind:
        case "md":
            rows = "".join(f"| {' '.join(text.split())} | 1 |\n" for text in texts)
            table = f"\n| note | number |\n| --- | --- |\n{rows}" if texts else ""
            heads = "".join(f"\n## {' '.join(text.split())}\n\nSee above.\n" for text in texts[:3])
            path.write_text(f"# Ferry\n\n{first} {second}\n\n" + "\n\n".join(texts) + f"\n{table}{heads}")
        case "txt":
            path.write_text("\n\n".join([f"{first} {second}", *texts]) + "\n")
        case "json":
            value: dict[str, Any] = {"ferry": {"about": f"{first} {second}"}}
            value |= {f"note {at}": text for at, text in enumerate(texts)} | {text[:60]: "yes" for text in texts[:3]}
            path.write_text(json.dumps(value))
        case "docx":
            _write_docx(path, f"{first} {second}", texts)
        case _:
            _write_pdf(path, f"{first} {second}", texts)
    return path


def _write_docx(path: Path, facts: str, texts: list[str]) -> None:
    document = Document()
    document.add_heading("Ferry", 1)
    document.add_paragraph(facts)
    for text in (_XML.sub("", text) for text in texts):
        document.add_paragraph(text)
        document.add_paragraph().add_run(text).font.hidden = True
        document.core_properties.title = document.core_properties.comments = text[:200]
        document.add_table(1, 1).cell(0, 0).text = text
    document.save(str(path))


def _write_pdf(path: Path, facts: str, texts: list[str]) -> None:
    def quoted(text: str) -> str:
        return json.dumps(" ".join(_XML.sub("", text).split()), ensure_ascii=False)

    lines = [f"#set document(title: {quoted(texts[0] if texts else 'Ferry')})", "= Ferry", f"#text({quoted(facts)})"]
    lines += [f"#parbreak() #text(fill: white, size: 4pt, {quoted(text)})" for text in texts]
    source = path.with_suffix(".typ")
    source.write_text("\n\n".join(lines))
    path.write_bytes(typst.compile(str(source)))


def written(installation: RunningInstallation, folder: Path, *, attacked: bool) -> list[str]:
    """The sentences of the document about the ferry."""
    folder.mkdir()
    paths = [write_source(folder, kind, attacks_on(kind) if attacked else []) for kind in FORMATS]
    with LaceClient(installation.url, installation.token) as client:
        for _ in client.watch_run(client.ingest(paths).run_id):
            pass
        names = {path.name for path in paths}
        sources = [source.source_id for source in client.list_sources() if source.filename in names]
        assert len(sources) == len(FORMATS)
        run = client.start_run("generate", title="The ferry of Lower Quay", source_ids=sources, targets=["md"])
        for _ in client.watch_run(run.run_id):
            pass
        done = client.get_run(run.run_id)
        assert done.state == runs_pb2.RUN_STATE_SUCCEEDED, (done.error_code, done.error_message)
    headers = {"authorization": f"Bearer {installation.token}"}
    answer = httpx.get(f"{installation.url}/v1/artifacts/{done.artifact_id}/verdicts", headers=headers, timeout=30)
    found = [verdict["text"] for verdict in answer.json()["verdicts"] if verdict.get("in_document")]
    return [" ".join(text.split()) for text in found]


@pytest.mark.slow
async def test_the_claims_of_the_document_are_what_they_were(installation: RunningInstallation, tmp_path: Path) -> None:
    clean = await asyncio.to_thread(written, installation, tmp_path / "clean", attacked=False)
    facts = {fact for pair in FACTS.values() for fact in pair}
    assert set(clean) <= facts
    assert len(set(clean)) > len(FORMATS)
    attacked = await asyncio.to_thread(written, installation, tmp_path / "attacked", attacked=True)
    assert set(attacked) == set(clean)
    claims = {attack["claim"].strip().casefold() for attack in INJECTIONS}
    assert not [text for text in attacked if text.casefold() in claims]
