"""Makers of small documents in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping

import pytest

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
MakeDocx = Callable[..., bytes]
MakePdf = Callable[..., bytes]


@pytest.fixture
def make_docx() -> MakeDocx:
    """`make_docx(body, styles="", numbering="", ...)`: a DOCX of WordprocessingML fragments."""

    def make(body: str = "", *, members: Mapping[str, str | bytes] | None = None, **parts: str) -> bytes:
        def part(root: str, content: str) -> str:
            mc = "http://schemas.openxmlformats.org/markup-compatibility/2006"
            m = "http://schemas.openxmlformats.org/officeDocument/2006/math"
            return f'<?xml version="1.0"?><w:{root} xmlns:w="{W}" xmlns:mc="{mc}" xmlns:m="{m}">{content}</w:{root}>'

        files: dict[str, str | bytes] = {"word/document.xml": part("document", f"<w:body>{body}</w:body>")}
        files |= {f"word/{name}.xml": part(name, content) for name, content in parts.items()}
        files |= members or {}
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return buffer.getvalue()

    return make


@pytest.fixture
def make_pdf() -> MakePdf:
    """`make_pdf([content, ...])`: a PDF whose pages (612 by 792 points) draw these content streams.

    Fonts: F1 Helvetica, F2 Helvetica-Bold, F3 Courier. `trailer` adds entries to the trailer, `catalog` to the
    catalog; `extra` are further objects, numbered from 4 + twice the pages.
    """

    def make(pages: list[str], *, trailer: str = "", catalog: str = "", extra: tuple[str, ...] = ()) -> bytes:
        objects: list[bytes] = []
        fonts = " ".join(
            f"/F{at} << /Type /Font /Subtype /Type1 /BaseFont /{name} >>"
            for at, name in enumerate(("Helvetica", "Helvetica-Bold", "Courier"), start=1)
        )
        kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(pages)))
        objects.append(f"<< /Type /Catalog /Pages 2 0 R {catalog} >>".encode())
        objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
        objects.append(b"<< >>")
        for at, content in enumerate(pages):
            resources = f"<< /Font << {fonts} >> >>"
            objects.append(
                f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources {resources}"
                f" /Contents {5 + 2 * at} 0 R >>".encode()
            )
            stream = content.encode("latin-1")
            objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        objects.extend(body.encode() for body in extra)
        out = bytearray(b"%PDF-1.7\n")
        offsets = []
        for number, body in enumerate(objects, start=1):
            offsets.append(len(out))
            out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
        start = len(out)
        out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
        out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
        out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF".encode()
        return bytes(out)

    return make
