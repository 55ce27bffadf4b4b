"""What the reader is told of the verification, in every format, and a text that stands alone where asked for."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pypdf
import pytest

from lace_compiler.adapters.child import Request, compile_one
from lace_compiler.adapters.renderers import renderer_of
from lace_compiler.domain.compose import compose
from lace_compiler.domain.document import Document
from lace_compiler.domain.settings import CompileSettings
from lace_compiler.domain.target import Target
from lace_compiler.domain.verification import verification_view
from lace_core import ir
from lace_core.errors import LaceError, Reason
from lace_core.verification.report import Report, Writing, decode, encode
from tests.unit.lace_compiler.conftest import GOLDEN

REPORT = decode((GOLDEN / "verification.json").read_bytes())
KILN = (GOLDEN / "kiln.json").read_bytes()
TOLD = "prn_01kahx2v6d1f4h7k0m3p6s9v2x"


def _composed(report: Report | None = REPORT, settings: CompileSettings | None = None) -> Document:
    return compose(ir.decode(KILN), "rev_golden", "", settings or CompileSettings(), report)


def _rendered(target: Target, settings: CompileSettings | None = None) -> bytes:
    used = settings or CompileSettings()
    return renderer_of(target).render(_composed(settings=used), used).data


def _request(target: Target, **more: object) -> Request:
    plain = Request(
        ir=KILN, revision_id="rev_golden", ir_hash="", target=target.value, page_size="a4", toc_depth=3, quotes=True,
        verification=encode(REPORT).encode(),
    )  # fmt: skip
    return msgspec.structs.replace(plain, **more)


def _pdf_text(data: bytes) -> str:
    return "".join("".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(data)).pages)


def test_the_golden_report_is_compiled_to_the_byte(golden: Callable[[str, bytes], None]) -> None:
    golden("kiln-verified.md", _rendered(Target.MD))
    golden("kiln-verified.ttl", _rendered(Target.OWL))


@pytest.mark.parametrize("target", list(Target))
def test_the_same_revision_and_report_give_the_same_bytes_again(target: Target) -> None:
    assert compile_one(_request(target)) == compile_one(_request(target))


def test_every_format_says_who_vouches_for_what_and_why() -> None:
    with zipfile.ZipFile(io.BytesIO(_rendered(Target.DOCX))) as archive:
        docx = archive.read("word/document.xml").decode()
    pdf = _pdf_text(_rendered(Target.PDF))
    for shown in (docx, _rendered(Target.MD).decode(), _rendered(Target.OWL).decode()):
        assert TOLD in shown
        assert "Measured on site, see the log of 3 May." in shown
    assert TOLD in pdf
    assert "1.8m.†" in pdf
    assert "6sentenceswerekeptout." in pdf


def test_citations_and_their_entries_lead_to_each_other_in_a_pdf() -> None:
    reader = pypdf.PdfReader(io.BytesIO(_rendered(Target.PDF)))
    links = [
        annotation.get_object()
        for page in reader.pages
        for annotation in page.get("/Annots", ())
        if annotation.get_object().get("/Subtype") == "/Link"
    ]
    last = len(reader.pages) - 1
    pages = [number for number, page in enumerate(reader.pages) for _ in page.get("/Annots", ())]
    assert {0, last} <= set(pages)
    assert all("/Dest" in link or "/A" in link for link in links)


@pytest.mark.parametrize("target", [Target.MD, Target.DOCX, Target.PDF])
def test_without_appendices_the_text_stands_alone(target: Target) -> None:
    data = compile_one(_request(target, appendices=False)).data
    if target is Target.PDF:
        text = _pdf_text(data)
    elif target is Target.DOCX:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            text = archive.read("word/document.xml").decode()
    else:
        text = data.decode()
    assert "kiln-survey.pdf" not in text
    assert "Verification" not in text
    assert "[1]" not in text
    assert "leans" in text
    assert "†" not in text


def test_data_keeps_its_evidence_whatever_is_left_out_for_readers() -> None:
    assert compile_one(_request(Target.OWL, appendices=False)) == compile_one(_request(Target.OWL))


def test_a_revision_without_a_report_has_no_such_chapter() -> None:
    bare = compile_one(_request(Target.MD, verification=b"")).data.decode()
    assert "Sources and evidence" in bare
    assert "Verification" not in bare


def test_what_is_no_report_is_refused() -> None:
    with pytest.raises(LaceError) as caught:
        compile_one(_request(Target.MD, verification=b'{"supported": "many"}'))
    assert caught.value.reason is Reason.IR_INVALID


def test_numbers_have_their_nouns_and_many_runs_are_counted() -> None:
    runs = tuple(Writing(run_id=f"run_{n:02}", pipeline="", model="", parts=1) for n in range(22))
    kept = msgspec.structs.replace(REPORT.kept_out[0], count=1)
    report = msgspec.structs.replace(REPORT, accepted=(), authored=0, supported=1, runs=runs, kept_out=(kept,))
    view = verification_view(report, {})
    assert view.summary == "1 piece of text: 1 supported by the evidence."
    assert view.withheld_summary == "1 sentence was kept out. Their words are not shown here."
    assert "1 written by run_19." in view.facts
    assert "Others were written by 2 more runs." in view.facts
    assert not any("run_20" in fact for fact in view.facts)
    nothing = verification_view(msgspec.structs.replace(report, kept_out=()), {})
    assert (nothing.withheld_summary, nothing.withheld) == ("Nothing was kept out.", ())


def test_a_reason_is_shown_and_never_obeyed() -> None:
    accepted = msgspec.structs.replace(REPORT.accepted[0], reason="](http://x) <b>#\u202e\nnext")
    document = _composed(msgspec.structs.replace(REPORT, accepted=(accepted,)))
    markdown = renderer_of(Target.MD).render(document, CompileSettings()).data.decode()
    assert "\\](http://x) \\<b\\>#\\[U+202E\\] next" in markdown
    pdf = renderer_of(Target.PDF).render(replace(document), CompileSettings()).data
    assert "[U+202E]" in _pdf_text(pdf)
