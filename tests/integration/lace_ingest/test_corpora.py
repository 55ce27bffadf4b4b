"""Real documents: the dossier of the demo and, where they lie beside the repository, twelve proposals."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from lace_core.canonical import sha256_hex
from lace_ingest.adapters.reading.extraction_child import Order, read_document
from lace_ingest.domain.documents import ExtractedDocument, Unit, UnitKind
from lace_ingest.domain.formats import SourceFormat, check_filename
from lace_ingest.domain.limits import ExtractionLimits

ROOT = Path(__file__).parents[3]
PEPS = ROOT.parent / "shared" / "corpora" / "peps"


@cache
def read(path: Path) -> ExtractedDocument:
    return read_document(Order(path.name, check_filename(path.name), ExtractionLimits()), path.read_bytes())


def tables(found: ExtractedDocument) -> dict[str, Unit]:
    return {unit.table.caption: unit for unit in found.units if unit.table}


def check(found: ExtractedDocument) -> None:
    """What holds for every document."""
    assert len({unit.unit_id for unit in found.units}) == len(found.units)
    for unit in found.units:
        assert unit.text_hash == sha256_hex(unit.text.encode())
        assert unit.spans
        assert all(unit.text[span.start : span.end].strip() or unit.table for span in unit.spans)
        if unit.kind is UnitKind.PARAGRAPH:
            assert len(unit.text) <= 4000


@pytest.mark.parametrize("prefix", [f"{number:02}" for number in range(1, 12)])
def test_every_fact_of_the_dossier_is_found_word_for_word(prefix: str, dossier: Callable[[str], Path]) -> None:
    path = dossier(prefix)
    found = read(path)
    check(found)
    assert found == read.__wrapped__(path)
    facts = json.loads((ROOT / "examples" / "dossier-facts.json").read_text())
    stated = [fact for fact in _facts(facts) if fact["file"] == path.name]
    texts = [" ".join(unit.text.split()) for unit in found.units]
    for fact in stated:
        assert any(" ".join(fact["quote"].split()) in text for text in texts), fact


def _facts(value: object) -> list[dict[str, str]]:
    """Every object of the file that names a source file and its sentence, whatever they are called."""
    found: list[dict[str, str]] = []
    if isinstance(value, dict):
        quote = value.get("quote") or value.get("sentence") or value.get("statement")
        file = value.get("file") or value.get("source")
        if isinstance(quote, str) and isinstance(file, str):
            found.append({"file": Path(file).name, "quote": quote})
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        found.extend(_facts(inner))
    return found


def test_tables_of_a_tagged_pdf_are_exact(dossier: Callable[[str], Path]) -> None:
    table = tables(read(dossier("02")))["Table 2. Remaining wall of the old trunk main"].table
    assert table is not None
    assert table.header[2] == "Mean remaining wall (mm)"
    assert [row[0] for row in table.rows] == ["A", "B", "C", "D", "All"]
    assert table.rows[-1] == ("All", "28", "10.6", "60", "5.1", "11 of 54")


@pytest.mark.parametrize("prefix", ["02", "04"])
def test_the_look_of_a_pdf_tells_the_same_as_its_tags(prefix: str, dossier: Callable[[str], Path]) -> None:
    data = dossier(prefix).read_bytes()
    untagged = data.replace(b"/MarkInfo", b"/Forgotten"[: len(b"/MarkInfo")])
    assert untagged != data

    def content(raw: bytes) -> list[tuple[object, ...]]:
        found = read_document(Order("a.pdf", SourceFormat.PDF, ExtractionLimits()), raw)
        return [(unit.kind, unit.text, unit.heading_path, unit.page, unit.table) for unit in found.units]

    assert content(untagged) == content(data)


def test_tables_of_a_docx_are_exact(dossier: Callable[[str], Path]) -> None:
    table = tables(read(dossier("05")))["Table 3. Crossing methods compared"].table
    assert table is not None
    assert table.rows[1] == (
        "Horizontal directional drilling", "3.1", "16", "Low effect on the estuary", "Unknown ground at mid-channel",
    )  # fmt: skip


def test_headings_of_pdf_and_docx_nest(dossier: Callable[[str], Path]) -> None:
    pdf = {unit.heading_path for unit in read(dossier("02")).units}
    assert ("5. Ground conditions", "5.3 Section C: the Sallow estuary") in pdf
    docx = {unit.heading_path for unit in read(dossier("05")).units}
    assert ("4. Pipeline design", "4.2 Velocity and head") in docx


def test_pages_of_a_pdf_are_kept(dossier: Callable[[str], Path]) -> None:
    found = read(dossier("04"))
    assert found.page_count == 4
    assert sorted({unit.page for unit in found.units}) == [1, 2, 3, 4]


needs_peps = pytest.mark.skipif(not PEPS.exists(), reason="the proposals are not beside the repository")


@needs_peps
@pytest.mark.parametrize("path", sorted(PEPS.glob("pep-*")), ids=lambda path: path.name)
def test_every_proposal_is_read(path: Path) -> None:
    found = read(path)
    check(found)
    assert found.warnings == ()
    if path.suffix != ".json":
        index = {entry["PEP"]: entry["Title"] for entry in json.loads((PEPS / "pep-index.json").read_text())}
        assert found.title == index[path.stem.removeprefix("pep-").lstrip("0")]
        assert ("Abstract",) in {unit.heading_path for unit in found.units}


@needs_peps
def test_headings_of_an_untagged_pdf_nest_as_its_bookmarks_do() -> None:
    found = read(PEPS / "pep-0703.pdf")
    assert ("Specification", "Reference Counting", "Biased Reference Counting") in {
        unit.heading_path for unit in found.units
    }
    [table] = [unit.table for unit in found.units if unit.table]
    assert table.rows == (("One thread", "6%", "5%"), ("Multiple threads", "8%", "7%"))
    assert not any(unit.text.strip().isdigit() for unit in found.units)
