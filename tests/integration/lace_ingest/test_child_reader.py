"""Reading in child processes: hostile documents end in a code, and the parent lives on."""

from __future__ import annotations

import asyncio
import random
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.reading.child_reader import ChildReader
from lace_ingest.adapters.spool import nameless_file
from lace_ingest.domain.documents import ExtractedDocument
from lace_ingest.domain.formats import check_filename
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.sources import Source, new_source

READER = ChildReader(2)


def source(name: str) -> Source:
    return new_source(
        "ten_1", name, check_filename(name), size_bytes=1, sha256="0" * 64, raw_uri="", labels=(),
        created_at=datetime.now(UTC), created_by="prn_1",
    )  # fmt: skip


async def outcome(name: str, data: bytes, **limits: float) -> ExtractedDocument | Reason:
    with nameless_file() as (path, file):
        file.write(data)
        file.flush()
        try:
            return await READER.read(source(name), path, ExtractionLimits(**limits))  # type: ignore[arg-type]
        except LaceError as error:
            return error.reason


def docx(**members: bytes) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/") + ".xml", content)
    return buffer.getvalue()


async def test_a_document_is_read(dossier: Callable[[str], Path]) -> None:
    path = dossier("02")
    found = await outcome(path.name, path.read_bytes())
    assert isinstance(found, ExtractedDocument)
    assert found.page_count == 5


async def test_a_reading_that_takes_too_long_is_ended() -> None:
    assert await outcome("a.md", b"[" * 300_000, wall_s=0.5) is Reason.SOURCE_LIMIT_EXCEEDED


async def test_a_reading_that_takes_too_much_memory_is_ended() -> None:
    wide = b'{"a": [' + b"[1]," * 600_000 + b"[1]]}"
    assert await outcome("a.json", wide, memory_bytes=128 << 20) is Reason.SOURCE_LIMIT_EXCEEDED


async def test_more_text_than_can_be_taken_in_is_refused() -> None:
    assert await outcome("a.txt", b"word " * 200_000, output_bytes=100_000) is Reason.SOURCE_LIMIT_EXCEEDED


async def test_a_zip_bomb_is_not_inflated() -> None:
    assert await outcome("a.docx", docx(word__document=b" " * 140_000_000)) is Reason.SOURCE_LIMIT_EXCEEDED


async def test_a_billion_laughs_are_not_laughed() -> None:
    entities = b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12))
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">' + entities + b"]><x>&a11;</x>"
    assert await outcome("a.docx", docx(word__document=bomb)) is Reason.SOURCE_UNREADABLE


async def test_a_flate_bomb_in_a_pdf_takes_only_the_child() -> None:
    import zlib

    stream = zlib.compress(b"(" * 60_000_000)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (n, content) for n, content in enumerate(objects, start=1))
    found = await outcome("a.pdf", b"%PDF-1.7\n" + body + b"trailer << /Root 1 0 R >>", memory_bytes=160 << 20)
    assert isinstance(found, Reason)
    assert found.value.startswith("SOURCE_")


@pytest.mark.parametrize("prefix", ["02", "05"])
async def test_damaged_documents_end_in_a_document_or_a_code(prefix: str, dossier: Callable[[str], Path]) -> None:
    path = dossier(prefix)
    chance = random.Random(prefix)
    damaged = []
    for _ in range(2):
        data = bytearray(path.read_bytes())
        for _ in range(chance.randint(1, 60)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        damaged.append(bytes(data[: chance.randrange(len(data))] if chance.random() < 0.3 else data))
    for found in await asyncio.gather(*(outcome(path.name, data) for data in damaged)):
        assert found.units if isinstance(found, ExtractedDocument) else found.value.startswith("SOURCE_")
