"""Any bytes give a document that keeps its rules, or a refusal with a code, and the same each time: all five formats.

Real documents are damaged at random, and others are put together from what each format is made of. The extractors
run in a process beside the test, as pdfium may abort: of a document that ends it the service says SOURCE_UNREADABLE.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lace_ingest.adapters.reading.extraction_child import Order
from lace_ingest.domain.documents import ExtractedDocument
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.limits import ExtractionLimits
from tests.doubles.document_rules import check_document
from tests.doubles.extraction_worker import DIED, ExtractionWorker
from tests.doubles.generated_documents import FORMATS, make
from tests.doubles.hostile_documents import DAMAGES, Damages, damaged, damaged_inside, documents

ROOT = Path(__file__).parents[3]
QUICK, LONG = 15, 400


@pytest.fixture(scope="module")
def worker() -> Iterator[ExtractionWorker]:
    with ExtractionWorker() as opened:
        yield opened


def examples(count: int) -> settings:
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))


def judge(worker: ExtractionWorker, name: str, data: bytes) -> None:
    """Reads twice; a document keeps the rules, and both readings are the same."""
    order = Order(name, SourceFormat(name.rpartition(".")[2]), ExtractionLimits(chars=2_000_000, units=20_000))
    found = worker.read(order, data)
    if isinstance(found, ExtractedDocument):
        check_document(found)
    else:
        assert found == DIED or found.startswith("SOURCE_"), found
    assert worker.read(order, data) == found


@cache
def originals(kind: str) -> list[bytes]:
    """A generated document and those of the dossier."""
    files = sorted((ROOT / "examples" / "dossier").glob(f"*.{kind}"), key=lambda path: path.stat().st_size)
    return [FORMATS[kind](make(5, 4)), *(path.read_bytes() for path in files)]


def damage_document(worker: ExtractionWorker, kind: str, which: int, damages: Damages) -> None:
    found = originals(kind)
    data = found[which % len(found)]
    if kind == "docx":
        judge(worker, "a.docx", damaged_inside(data, damages))
    judge(worker, f"a.{kind}", damaged(data, damages))


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_documents(worker: ExtractionWorker, kind: str) -> None:
    run_damaged(worker, kind, QUICK)


@pytest.mark.parametrize("kind", FORMATS)
def test_documents_made_of_their_parts(worker: ExtractionWorker, kind: str) -> None:
    run_made(worker, kind, QUICK)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", FORMATS)
def test_many_more_of_both(worker: ExtractionWorker, kind: str) -> None:
    run_damaged(worker, kind, LONG)
    run_made(worker, kind, LONG)


def run_damaged(worker: ExtractionWorker, kind: str, count: int) -> None:
    @examples(count)
    @given(st.integers(0, 5), DAMAGES)
    def run(which: int, damages: Damages) -> None:
        damage_document(worker, kind, which, damages)

    run()


def run_made(worker: ExtractionWorker, kind: str, count: int) -> None:
    @examples(count)
    @given(documents(kind))
    def run(data: bytes) -> None:
        judge(worker, f"a.{kind}", data)

    run()
