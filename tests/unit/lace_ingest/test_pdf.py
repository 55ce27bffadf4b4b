"""Whole PDFs made by hand: what pdfium reads out of them, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pypdfium2 as pdfium
import pytest

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.reading.extractors.pdf import extract
from lace_ingest.domain.extraction_warnings import ExtractionWarning, WarningCode
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.reading.anchors import anchor, without_anchors
from lace_ingest.domain.reading.pieces import Grid, Heading, Note, Piece, Program, Prose, Reading, texts_of, with_texts

MakePdf = Callable[..., bytes]
PICTURE = "q 300 0 0 300 100 300 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q"


def show(text: str, x: float, y: float, *, font: str = "F1", size: float = 11) -> str:
    return f"BT /{font} {size} Tf {x} {y} Td ({text}) Tj ET\n"


def read(data: bytes, **limits: int) -> Reading:
    return extract(data, ExtractionLimits(**limits))  # type: ignore[arg-type]


def plain(data: bytes) -> tuple[Piece, ...]:
    """The pieces without their boxes."""
    pieces = (with_texts(piece, without_anchors) for piece in read(data).pieces)
    return tuple(replace(piece, boxes=()) if isinstance(piece, Program) else piece for piece in pieces)


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
    data = make_pdf([content])
    assert plain(data) == (
        Heading(1, "1. Results", page=1),
        Prose(f"{PROSE} until it stops.", page=1),
        Grid(rows[0], tuple(rows[1:]), page=1),
        Program("def f():\n    return 1", page=1),
    )
    assert read(data).page_count == 1


def test_a_turned_page_is_read_as_it_is_seen(make_pdf: MakePdf) -> None:
    turned = f"BT /F1 11 Tf 0 1 -1 0 100 72 Tm ({PROSE}) Tj ET BT /F1 11 Tf 0 1 -1 0 114 72 Tm (and on.) Tj ET"
    assert plain(make_pdf([turned])) == (Prose(f"{PROSE} and on.", page=1),)


def test_a_stamp_across_the_text_is_no_text(make_pdf: MakePdf) -> None:
    stamp = "BT /F1 40 Tf 0 1 -1 0 300 300 Tm (DRAFT) Tj ET "
    data = make_pdf([stamp + show(PROSE, 72, 700)])
    assert plain(data) == (Prose(PROSE, page=1),)
    [warning] = read(data).warnings
    assert (warning.code, warning.page, warning.count) == (WarningCode.TURNED_TEXT_LEFT_OUT, 1, 5)


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
    told = "Pages without text, perhaps scanned: 2-3."
    assert reading.warnings == (ExtractionWarning(WarningCode.PAGES_WITHOUT_TEXT, told, 2, 2),)


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


def test_a_raised_mark_joins_a_footnote_to_its_sentence(make_pdf: MakePdf) -> None:
    sentence = show("The pumps were tested in May", 72, 700) + show("1", 222, 704, size=6) + show("and ran.", 228, 700)
    note = show("1", 72, 104, size=6) + show("By the board itself.", 78, 100, size=8)
    filler = "".join(show(PROSE, 72, 680 - 14 * at) for at in range(6))
    found = read(make_pdf([sentence + filler + note]))
    [told] = [piece for piece in found.pieces if isinstance(piece, Note)]
    assert (told.mark, without_anchors(told.text), told.page) == ("1", "By the board itself.", 1)
    assert anchor(told.key) in "".join(text for piece in found.pieces for text in texts_of(piece))


def test_a_raised_number_that_nothing_refers_to_stays_in_its_text(make_pdf: MakePdf) -> None:
    text = show("235", 72, 704, size=6) + show("U is found in nature in small amounts", 83, 700)
    assert plain(make_pdf([text])) == (Prose("²³⁵U is found in nature in small amounts", page=1),)


def test_boxes_count_from_the_corner_that_is_shown(make_pdf: MakePdf) -> None:
    [box] = read(make_pdf([show("Words", 72, 700)])).boxes
    assert (box.page, box.x0) == (1, 72)
    assert 792 - 700 - 12 < box.y0 < 792 - 700 < box.y1 < 792 - 700 + 5
    data = make_pdf([show("Words", 72, 700)])
    [moved] = read(data.replace(b"[0 0 612 792]", b"[9 9 600 790]")).boxes
    assert (round(box.x0 - moved.x0, 2), round(box.y0 - moved.y0, 2)) == (9, 2)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_boxes_of_a_turned_page_lie_where_pdfium_draws_the_words(make_pdf: MakePdf, rotation: int) -> None:
    data = make_pdf([show("Words", 72, 700)]).replace(b"/MediaBox", f"/Rotate {rotation} /MediaBox".encode())
    with pdfium.PdfDocument(data) as document:
        image = document[0].render(scale=1, grayscale=True)
        places = (divmod(at, image.stride) for at, shade in enumerate(bytes(image.buffer)) if shade < 128)
        dark = [(y, x) for y, x in places if x < image.width]
    [box] = read(data).boxes
    assert dark
    assert all(box.x0 - 1 <= x <= box.x1 + 1 and box.y0 - 1 <= y <= box.y1 + 1 for y, x in dark)


def test_a_font_of_one_point_is_as_large_as_it_is_drawn(make_pdf: MakePdf) -> None:
    lines = ("Two words and more of them in one line, and", "the line goes on below it, as lines do, and so on.")
    content = "".join(f"BT /F1 1 Tf 12 0 0 12 72 {700 - 14 * at} Tm ({text}) Tj ET\n" for at, text in enumerate(lines))
    assert plain(make_pdf([content])) == (Prose(" ".join(lines), page=1),)


def test_fonts_of_tex_tell_code_and_headings(make_pdf: MakePdf) -> None:
    content = show("Methods", 72, 740, font="F2") + show(PROSE, 72, 710) + show("until it stops.", 72, 696)
    content += show("x = 1", 72, 640, font="F3") + show(PROSE, 72, 600)
    data = make_pdf([content])
    for old, new in ((b"/Helvetica-Bold", b"/ABCDEF+CMBX100"), (b"/Courier", b"/X+CMTT9")):
        assert len(old) == len(new)
        data = data.replace(old, new)
    assert [type(piece) for piece in plain(data)] == [Heading, Prose, Program, Prose]


def test_bookmarks_without_numbers_name_headings_that_have_them(make_pdf: MakePdf) -> None:
    data = make_pdf(
        [show("2.1 Costs", 72, 720) + show(PROSE, 72, 700)],
        catalog="/Outlines 6 0 R",
        extra=(
            "<< /Type /Outlines /First 7 0 R /Last 7 0 R /Count 1 >>",
            "<< /Title (Costs) /Parent 6 0 R /Dest [4 0 R /Fit] >>",
        ),
    )
    assert plain(data)[0] == Heading(1, "2.1 Costs", page=1)


def test_a_head_beside_a_page_number_is_no_text(make_pdf: MakePdf) -> None:
    pages = [
        show(f"Chapter {word}", 72, 760) + show(str(at), 520, 760) + show(PROSE, 72, 700) + show("and stops.", 72, 686)
        for at, word in enumerate(("one", "two", "three"), start=1)
    ]
    data = make_pdf(pages)
    assert plain(data) == tuple(Prose(f"{PROSE} and stops.", page=at) for at in (1, 2, 3))
    running = dict(read(data).metadata)["running_text"].split("; ")
    assert sorted(running) == ["#", "Chapter one", "Chapter three", "Chapter two"]


def test_the_largest_words_at_the_beginning_are_the_title(make_pdf: MakePdf) -> None:
    body = "".join(show(PROSE + ".", 72, 640 - 40 * at) for at in range(4))
    assert read(make_pdf([show("A survey of tides", 150, 720, size=20) + body])).title == "A survey of tides"
    assert read(make_pdf([body])).title == ""
