"""File names and first bytes: what is taken, what is refused, and with which code."""

from __future__ import annotations

import zipfile
from io import BytesIO

import pytest

from lace_core.errors import LaceError, Reason
from lace_ingest.domain.formats import SourceFormat, check_content, check_filename, check_whole

OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5000)


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("a.md", SourceFormat.MD),
        ("A b.MARKDOWN", SourceFormat.MD),
        ("notes.txt", SourceFormat.TXT),
        ("Übersicht 2024.pdf", SourceFormat.PDF),
        ("x.y.docx", SourceFormat.DOCX),
        ("data.json", SourceFormat.JSON),
    ],
)
def test_an_ending_names_the_format(filename: str, expected: SourceFormat) -> None:
    assert check_filename(filename) is expected


@pytest.mark.parametrize(
    "filename",
    [
        "",
        "  ",
        "../a.md",
        "a..md",
        "a/b.md",
        "a\\b.md",
        "a\x00.md",
        "a\n.md",
        "\u202egnp.md",
        ".md",
        " a.md",
        "x" * 253 + ".md",
    ],
)
def test_a_name_that_is_no_plain_file_name_is_refused(filename: str) -> None:
    with pytest.raises(LaceError) as refused:
        check_filename(filename)
    assert refused.value.reason is Reason.SOURCE_NAME_INVALID


@pytest.mark.parametrize("filename", ["a.xlsx", "a.doc", "README", "a.pdf.exe", "a.", "md"])
def test_another_ending_is_refused(filename: str) -> None:
    with pytest.raises(LaceError) as refused:
        check_filename(filename)
    assert refused.value.reason is Reason.SOURCE_FORMAT_UNSUPPORTED
    assert filename in refused.value.message


def zipped(*members: str) -> bytes:
    """The first bytes of a zip file with these members."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in members:
            archive.writestr(name, "application/vnd.oasis.opendocument.text xl/ ppt/")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("declared", "head", "reason", "words"),
    [
        (SourceFormat.DOCX, b"hello", Reason.SOURCE_UNREADABLE, "not a zip"),
        (SourceFormat.PDF, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Reason.SOURCE_FORMAT_UNSUPPORTED, "old Office"),
        (SourceFormat.PDF, b"PK\x03\x04", Reason.SOURCE_FORMAT_UNSUPPORTED, "zip file"),
        (SourceFormat.PDF, zipped("_rels/.rels", "word/document.xml"), Reason.SOURCE_FORMAT_UNSUPPORTED, "a DOCX file"),
        (SourceFormat.DOCX, zipped("_rels/.rels", "xl/book.xml"), Reason.SOURCE_FORMAT_UNSUPPORTED, "an XLSX file"),
        (SourceFormat.DOCX, zipped("mimetype"), Reason.SOURCE_FORMAT_UNSUPPORTED, "OpenDocument"),
        (SourceFormat.DOCX, b"%PDF-1.7", Reason.SOURCE_FORMAT_UNSUPPORTED, "a PDF file"),
        (SourceFormat.MD, b"%PDF-1.7", Reason.SOURCE_FORMAT_UNSUPPORTED, "PDF"),
        (SourceFormat.TXT, b"\x89PNG\r\n", Reason.SOURCE_FORMAT_UNSUPPORTED, "PNG"),
        (SourceFormat.JSON, b"PK\x03\x04", Reason.SOURCE_FORMAT_UNSUPPORTED, "zip"),
    ],
)
def test_content_that_contradicts_the_name_is_refused(
    declared: SourceFormat, head: bytes, reason: Reason, words: str
) -> None:
    with pytest.raises(LaceError) as refused:
        check_content(f"x.{declared.value}", declared, head)
    assert refused.value.reason is reason
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("declared", "head"),
    [
        (SourceFormat.PDF, b"\n\njunk %PDF-1.4"),
        (SourceFormat.DOCX, b"PK\x03\x04rest"),
        (SourceFormat.DOCX, zipped("_rels/.rels", "word/document.xml")),
        (SourceFormat.DOCX, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        (SourceFormat.MD, b"# Title"),
        (SourceFormat.JSON, b"{}"),
        (SourceFormat.TXT, b"PKware is a firm"),
    ],
)
def test_content_that_fits_is_taken(declared: SourceFormat, head: bytes) -> None:
    check_content(f"x.{declared.value}", declared, head)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (OLD_OFFICE + "EncryptedPackage".encode("utf-16-le"), Reason.SOURCE_ENCRYPTED),
        (OLD_OFFICE + "WordDocument".encode("utf-16-le"), Reason.SOURCE_FORMAT_UNSUPPORTED),
    ],
)
def test_a_compound_file_is_told_by_the_whole_of_it(data: bytes, reason: Reason) -> None:
    with pytest.raises(LaceError) as refused:
        check_whole("x.docx", SourceFormat.DOCX, data)
    assert refused.value.reason is reason
