"""The child's entry: what goes in and out of it as bytes, and that any bytes end in a code."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.reading.extraction_child import Order, decode, encode, name_of, read_document, run
from lace_ingest.domain.documents import ExtractedDocument
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.limits import ExtractionLimits

LIMITS = ExtractionLimits()


def test_a_document_comes_back_as_it_was_read() -> None:
    order = Order("a.md", SourceFormat.MD, LIMITS)
    data = b"# T\n\nOne. Two.\n\n| A |\n|---|\n| 1 |\n"
    assert decode(run(encode(order), BytesIO(data))) == read_document(order, data)


def test_limits_travel_with_the_order() -> None:
    with pytest.raises(LaceError) as refused:
        run(encode(Order("a.json", SourceFormat.JSON, ExtractionLimits(json_depth=2))), BytesIO(b"[[[1]]]"))
    assert refused.value.reason is Reason.SOURCE_LIMIT_EXCEEDED


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"", Reason.SOURCE_EMPTY),
        ("a.pdf", b"  ", Reason.SOURCE_EMPTY),
        ("a.pdf", b"hello", Reason.SOURCE_UNREADABLE),
        ("a.md", b"%PDF-1.7", Reason.SOURCE_FORMAT_UNSUPPORTED),
        ("a.json", b"{}", Reason.SOURCE_NO_TEXT),
        ("a.md", b"---", Reason.SOURCE_NO_TEXT),
    ],
)
def test_refusals_have_their_codes(name: str, data: bytes, reason: Reason) -> None:
    with pytest.raises(LaceError) as refused:
        read_document(Order(name, SourceFormat(name.rpartition(".")[2]), LIMITS), data)
    assert refused.value.reason is reason


def test_too_many_units_are_refused() -> None:
    order = Order("a.txt", SourceFormat.TXT, ExtractionLimits(units=10))
    with pytest.raises(LaceError) as refused:
        read_document(order, b"One.\n\n" * 11)
    assert refused.value.reason is Reason.SOURCE_LIMIT_EXCEEDED


def test_too_little_text_is_refused_with_its_reasons(make_pdf: Callable[..., bytes]) -> None:
    picture = "q 300 0 0 300 100 300 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q"
    words = "BT /F1 11 Tf 72 700 Td (The only words of it) Tj ET"
    data = make_pdf([words, *[picture] * 9])
    found = read_document(Order("a.pdf", SourceFormat.PDF, LIMITS), data)
    assert (found.extractability, found.units[0].text) == (100, "The only words of it")
    with pytest.raises(LaceError) as refused:
        read_document(Order("a.pdf", SourceFormat.PDF, ExtractionLimits(min_extractability=101)), data)
    assert refused.value.reason is Reason.SOURCE_NOT_EXTRACTABLE
    assert refused.value.message == (
        "a.pdf: 100 of 1000 parts of it could be read; 101 are wanted. Pages without text, perhaps scanned: 2-10."
    )


def test_an_extraction_is_named_by_all_that_its_units_come_from() -> None:
    name = name_of(SourceFormat.PDF, LIMITS)
    assert name == f"pdf/pypdfium2-{version('pypdfium2')}/lace-2+1200"
    assert name_of(SourceFormat.TXT, ExtractionLimits(unit_characters=300)) == "txt/lace-2+300"
    document = read_document(Order("a.md", SourceFormat.MD, LIMITS), b"# T\n\nText.\n")
    assert document.extraction == name_of(SourceFormat.MD, LIMITS)


def outcome(source_format: SourceFormat, data: bytes) -> ExtractedDocument | Reason:
    """The document, or the code of its refusal; anything else is raised."""
    try:
        return read_document(Order(f"a.{source_format.value}", source_format, LIMITS), data)
    except LaceError as error:
        return error.reason


TEXTUAL = st.sampled_from([SourceFormat.MD, SourceFormat.TXT, SourceFormat.JSON])
MARKS = st.text(alphabet=st.sampled_from('#-*>|`[](){}":,0a.\n \t<>=_~\\&;:+1é'), max_size=200)


@settings(max_examples=150, deadline=None)
@given(TEXTUAL, st.binary(max_size=400))
def test_any_bytes_end_in_a_document_or_a_code(source_format: SourceFormat, data: bytes) -> None:
    found = outcome(source_format, data)
    assert found.units if isinstance(found, ExtractedDocument) else found.value.startswith("SOURCE_")


@settings(max_examples=200, deadline=None)
@given(TEXTUAL, MARKS)
def test_any_markup_ends_the_same_way_each_time(source_format: SourceFormat, text: str) -> None:
    found = outcome(source_format, text.encode())
    assert found == outcome(source_format, text.encode())
    assert found.units if isinstance(found, ExtractedDocument) else found.value.startswith("SOURCE_")
