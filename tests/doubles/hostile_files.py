"""Files that people drop in and that are no good, one maker for each kind; small, and the same each time."""

from __future__ import annotations

import io
import zipfile
import zlib

import pypdf

from tests.doubles.generated_documents import as_docx, as_pdf, make

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_BOMB_BYTES = 20_000_000
# One grey pixel drawn over the page: what a scanner leaves.
_SCAN = b"q 612 0 0 792 0 0 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \x80 EI Q"


def encrypted_pdf() -> bytes:
    """Behind a password."""
    writer = pypdf.PdfWriter()
    writer.add_blank_page(200, 200)
    writer.encrypt("secret", algorithm="AES-256")
    return _written(writer)


def truncated_pdf() -> bytes:
    """The first half of one: no table of its objects, and its pages not there."""
    whole = as_pdf(make(3, 4))
    return whole[: len(whole) // 2]


def pdf_of_pages(*contents: bytes, claimed: int | None = None) -> bytes:
    """A PDF whose pages draw these streams, and which may claim another number of pages."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * at) for at in range(len(contents)))
    font = b"<< /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(contents) if claimed is None else claimed),
        b"<< >>",
    ]
    for at, content in enumerate(contents):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font %s >> /Contents %d 0 R >>"
            % (font, 5 + 2 * at)
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    return _numbered(objects)


def scanned_pdf(*, with_text: bool = False) -> bytes:
    """Three pages that are pictures; the second has text where that is asked for."""
    text = b"BT /F1 12 Tf 72 700 Td (The committee approved the budget in March. Work began.) Tj ET"
    return pdf_of_pages(_SCAN, text if with_text else _SCAN, _SCAN)


def pdf_bomb() -> bytes:
    """Sixty megabytes of an open bracket in sixty kilobytes."""
    stream = zlib.compress(b"(" * 60_000_000)
    return _numbered(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>",
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream),
        ]
    )


def zip_bomb() -> bytes:
    """A DOCX of which one part inflates a thousand times."""
    return docx_of("", **{"word/styles.xml": b" " * _BOMB_BYTES})


def lying_zip_bomb() -> bytes:
    """The same, but its directory says that it is small."""
    return zip_bomb().replace(_BOMB_BYTES.to_bytes(4, "little"), (1000).to_bytes(4, "little"))


def nested_zip_bomb() -> bytes:
    """Zips in zips, as a picture of a DOCX that is otherwise sound: nothing unpacks what it does not read."""
    inner = b" " * 10_000_000
    for _ in range(4):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(8):
                archive.writestr(f"{number}.zip", inner)
        inner = buffer.getvalue()
    text = "<w:p><w:r><w:t>The committee approved the budget.</w:t></w:r></w:p>"
    return docx_of(text, **{"word/media/image1.png": inner})


def docx_of_many_members() -> bytes:
    """Six thousand members."""
    return docx_of("", **{f"word/media/{number}": b"x" for number in range(6000)})


def docx_with_entity(system: str) -> bytes:
    """A DOCX whose body is an external entity."""
    return _zip(
        {
            "word/document.xml": (
                f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY e SYSTEM "{system}">]><w:document xmlns:w="{_W}"><w:body>'
                "<w:p><w:r><w:t>Before &e; after.</w:t></w:r></w:p></w:body></w:document>"
            ).encode()
        }
    )


def docx_with_laughs() -> bytes:
    """Entities of entities: a billion words if anyone expanded them."""
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    body = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">{entities}]><x>&a11;</x>'
    return _zip({"word/document.xml": body.encode()})


def deep_json(levels: int) -> bytes:
    """Arrays in arrays."""
    return b"[" * levels + b"]" * levels


def docx() -> bytes:
    """A sound one."""
    return as_docx(make(4, 2))


def docx_of(body: str, **members: bytes) -> bytes:
    """A DOCX with this body and further members."""
    document = f'<?xml version="1.0"?><w:document xmlns:w="{_W}"><w:body>{body}</w:body></w:document>'
    return _zip({"word/document.xml": document.encode(), **members})


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _numbered(objects: list[bytes]) -> bytes:
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (n, content) for n, content in enumerate(objects, start=1))
    return b"%PDF-1.7\n" + body + b"trailer << /Root 1 0 R >>"


def _written(writer: pypdf.PdfWriter) -> bytes:
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
