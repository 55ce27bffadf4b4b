"""What every reader of documents needs, loaded once in the process from which readers are forked."""

from __future__ import annotations

import contextlib
import io
import zipfile

from lace_core.errors import LaceError
from lace_ingest.adapters.reading.extraction_child import Order, encode, run
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.limits import ExtractionLimits

_TEXT = "A text of ours, which tells the reader nothing. It has two sentences, so that they are told apart."
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PDF = b"""%PDF-1.4
1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj
2 0 obj << /Type /Pages /Kids [3 0 R] /Count 1 >> endobj
3 0 obj << /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R
/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >> endobj
4 0 obj << /Length 48 >>
stream
BT /F1 12 Tf 72 720 Td (A text of ours, to warm) Tj ET
endstream endobj
trailer << /Root 1 0 R >>
%%EOF
"""


def warm() -> None:
    """Reads a document of ours in each format, whereby all that readers load late is loaded."""
    for source_format, data in (
        (SourceFormat.MD, f"# Head\n\n{_TEXT}\n\n| a | b |\n|---|---|\n| 1 | 2 |\n".encode()),
        (SourceFormat.TXT, _TEXT.encode()),
        (SourceFormat.JSON, b'{"text": "%s"}' % _TEXT.encode()),
        (SourceFormat.DOCX, _docx()),
        (SourceFormat.PDF, _PDF),
    ):
        # What cannot be read is loaded all the same; the reader itself tells of what is missing.
        with contextlib.suppress(LaceError):
            run(encode(Order(f"warm.{source_format.value}", source_format, ExtractionLimits())), io.BytesIO(data))


def _docx() -> bytes:
    body = f"<w:p><w:r><w:t>{_TEXT}</w:t></w:r></w:p>"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", f'<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>')
    return buffer.getvalue()
