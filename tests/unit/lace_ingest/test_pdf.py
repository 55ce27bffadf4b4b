"""Whole PDFs made by hand: what pdfium reads out of them, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.extractors.pdf import extract
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.pieces import Grid, Heading, Program, Prose, Reading

MakePdf = Callable[..., bytes]
PICTURE = "q 300 0 0 300 100 300 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q"


def show(text: str, x: float, y: float, *, font: str = "F1", size: float = 11) -> str:
    return f"BT /{font} {size} Tf {x} {y} Td ({text}) Tj ET\n"


def read(data: bytes, **limits: int) -> Reading:
    return extract(data, ExtractionLimits(**limits))


def refusal(data: bytes, **limits: int) -> Reason:
    with pytest.raises(LaceError) as refused:
        read(data, **limits)
    return refused.value.reason


PROSE = "The quick brown fox jumps over the lazy dog and runs on to the river"


def test_a_page_of_text_headings_code_and_a_table(make_pdf: MakePdf) -> None:
    rows = [("Year", "Cost", "Share"), ("2020", "1.50", "40%"), ("2021", "2.25", "60%")]
    content = show("1. Results", 72, 720, font="F2", size=16)
    content += show(PROSE, 72, 690) + show("until it stops.", 72, 676)
    content += "".join(
        show(cell, 72 + 90 * at, 640 - 18 * n) for n, row in enumerate(rows) for at, cell in enumerate(row)
    )
    content += show("def f():", 72, 560, font="F3", size=10) + show("return 1", 96, 548, font="F3", size=10)
    reading = read(make_pdf([content]))
    assert reading.pieces == (
        Heading(1, "1. Results", page=1),
        Prose(f"{PROSE} until it stops.", page=1),
        Grid(rows[0], tuple(rows[1:]), page=1),
        Program("def f():\n    return 1", page=1),
    )
    assert reading.page_count == 1


def test_a_turned_page_is_read_as_it_is_seen(make_pdf: MakePdf) -> None:
    turned = f"BT /F1 11 Tf 0 1 -1 0 100 72 Tm ({PROSE}) Tj ET BT /F1 11 Tf 0 1 -1 0 114 72 Tm (and on.) Tj ET"
    assert read(make_pdf([turned])).pieces == (Prose(f"{PROSE} and on.", page=1),)


def test_a_stamp_across_the_text_is_no_text(make_pdf: MakePdf) -> None:
    stamp = "BT /F1 40 Tf 0 1 -1 0 300 300 Tm (DRAFT) Tj ET "
    assert read(make_pdf([stamp + show(PROSE, 72, 700)])).pieces == (Prose(PROSE, page=1),)


def test_bookmarks_name_headings_that_look_like_prose(make_pdf: MakePdf) -> None:
    data = make_pdf(
        [show("Costs", 72, 720) + show(PROSE, 72, 700)],
        catalog="/Outlines 6 0 R",
        extra=(
            "<< /Type /Outlines /First 7 0 R /Last 7 0 R /Count 1 >>",
            "<< /Title (Costs) /Parent 6 0 R /Dest [4 0 R /Fit] >>",
        ),
    )
    assert read(data).pieces[0] == Heading(1, "Costs", page=1)


def test_pictures_only_is_no_text(make_pdf: MakePdf) -> None:
    assert refusal(make_pdf([PICTURE, PICTURE])) is Reason.SOURCE_NO_TEXT


def test_nothing_at_all_is_no_text(make_pdf: MakePdf) -> None:
    assert refusal(make_pdf([""])) is Reason.SOURCE_NO_TEXT


def test_some_silent_pages_are_a_warning(make_pdf: MakePdf) -> None:
    reading = read(make_pdf([show(PROSE, 72, 700), PICTURE, PICTURE]))
    assert reading.warnings == ("Pages without text, perhaps scanned: 2, 3.",)


def test_an_encrypted_file_is_named_as_such(make_pdf: MakePdf) -> None:
    key = "00" * 32
    encrypt = f"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <{key}> /U <{key}> >> /ID [<01> <01>]"
    assert refusal(make_pdf([show("x", 72, 700)], trailer=encrypt)) is Reason.SOURCE_ENCRYPTED


@pytest.mark.parametrize("data", [b"%PDF-1.7\nnothing follows", b"%PDF-1.4", b"%PDF-" + b"\x00" * 5000])
def test_a_broken_file_is_unreadable(data: bytes) -> None:
    assert refusal(data) is Reason.SOURCE_UNREADABLE


def test_pages_and_characters_are_bounded(make_pdf: MakePdf) -> None:
    data = make_pdf([show(PROSE, 72, 700)] * 3)
    assert refusal(data, pages=2) is Reason.SOURCE_LIMIT_EXCEEDED
    assert refusal(data, chars=100) is Reason.SOURCE_LIMIT_EXCEEDED


def test_the_title_of_the_file_is_taken_unless_it_is_a_file_name(make_pdf: MakePdf) -> None:
    def titled(title: str) -> str:
        return read(make_pdf([show(PROSE, 72, 700)], trailer="/Info 6 0 R", extra=(f"<< /Title ({title}) >>",))).title

    assert titled("The annual report") == "The annual report"
    assert titled("Microsoft Word - draft.docx") == ""
    assert titled("report_final.pdf") == ""
