"""Documents that point outside are read for what they say: nothing is fetched, no file is opened."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from lace_core.errors import LaceError
from lace_ingest.adapters.reading.child_reader import ChildReader
from lace_ingest.domain.formats import check_filename
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.sources import new_source
from tests.doubles.hostile_files import docx_of, docx_with_entity, pdf_of_pages

SECRET = "the-secret-of-another-file"
TEXT = b"BT /F1 12 Tf 72 700 Td (The committee approved the budget.) Tj ET"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        opened.setblocking(False)
        yield opened


def documents(url: str, file: str) -> dict[str, bytes]:
    """Each way of pointing outside that a format knows, at an address and at a file."""
    targets = [(kind, target) for kind in ("image", "attachedTemplate", "hyperlink") for target in (url, file)]
    relations = "".join(
        f'<Relationship Id="r{n}" Type="{_R}/{kind}" Target="{target}" TargetMode="External"/>'
        for n, (kind, target) in enumerate(targets)
    )
    part = f'<Relationships xmlns="{_RELATIONS}">{relations}</Relationships>'.encode()
    linked = f'<w:p><w:r><w:t>The committee approved.</w:t></w:r></w:p><w:altChunk r:id="r0" xmlns:r="{_R}"/>'
    outside = b"/A << /S /URI /URI (%s) >> /OpenAction << /S /Launch /F (%s) >>" % (url.encode(), file.encode())
    pdf = pdf_of_pages(TEXT).replace(b"/Type /Catalog", b"/Type /Catalog " + outside)
    stream = b"<< /Length 0 /F << /FS /URL /F (%s) >> >>" % url.encode()
    return {
        "entity-file.docx": docx_with_entity(file),
        "entity-url.docx": docx_with_entity(url),
        "linked.docx": docx_of(linked, **{"word/_rels/document.xml.rels": part}),
        "action.pdf": pdf,
        "stream.pdf": pdf_of_pages(TEXT, b"").replace(b"<< /Length 0 >>", stream),
        "page.md": f"# Report\n\nThe committee approved. ![x]({url}) [y]({file}) <img src='{url}'>\n\n"
        f"<iframe src='{file}'></iframe>\n\n<object data='{url}'>text</object>\n".encode(),
        "text.txt": f".. include:: {file}\n\nThe committee approved.\n\n.. figure:: {url}\n".encode(),
        "data.json": msgspec.json.encode({"$ref": url, "text": "The committee approved.", "other": {"$ref": file}}),
    }


async def test_nothing_is_fetched_and_no_file_is_opened(tmp_path: Path, listener: socket.socket) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    reader = ChildReader(2)

    async def outcome(name: str, data: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(data)
        source = new_source(
            "ten_1", name, check_filename(name), size_bytes=len(data), sha256="0" * 64, raw_uri="", labels=(),
            created_at=datetime.now(UTC), created_by="prn_1",
        )  # fmt: skip
        try:
            found = await reader.read(source, path, ExtractionLimits())
        except LaceError as error:
            return error.reason.value
        assert SECRET.encode() not in msgspec.json.encode(found)
        return "read"

    asked = documents(url, secret.as_uri())
    found = await asyncio.gather(*(outcome(name, data) for name, data in asked.items()))
    outcomes = dict(zip(asked, found, strict=True))
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert {name: outcome for name, outcome in outcomes.items() if outcome != "read"} == {
        "entity-file.docx": "SOURCE_UNREADABLE",
        "entity-url.docx": "SOURCE_UNREADABLE",
    }
