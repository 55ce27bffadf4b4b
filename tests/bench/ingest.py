"""Taking documents in, end to end: uploaded in one request, read by a run, findable; beside what its parts cost alone.

Small documents of one kind at a time, so that the share of what surrounds the reading is largest. The floor is what
cannot be saved: extraction in one process that is warm, and storing the files and their rows without anything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import time
import uuid
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import psycopg

from lace_ingest.adapters.reading.extraction_child import Order, encode, read_document
from lace_ingest.bootstrap import READERS
from lace_ingest.domain.documents import ExtractedDocument
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.limits import ExtractionLimits
from lace_platform.blobs import FolderBlobStore, UrlSigner
from lace_platform.children import ChildLimits, child_environment, run_in_child
from lace_platform.zygote import Zygote
from tests.bench.figures import Figure
from tests.bench.processes import scratch
from tests.bench.server import Places, running

FILES = 200
IN_FLIGHT = (1, 16)
_WORDS = "bridge pier council estuary survey girder tender ferry cost crossing inspection harbour".split()
_LONGEST_S = 600
_TARGET = "lace_ingest.adapters.reading.extraction_child:run"
_POLL_S = 0.05


@dataclass(frozen=True)
class Kind:
    """One kind of small document."""

    name: str
    source_format: SourceFormat


KINDS = (Kind("md", SourceFormat.MD), Kind("docx", SourceFormat.DOCX), Kind("pdf", SourceFormat.PDF))


def measure(rounds: int, files: int = FILES, kinds: Sequence[Kind] = KINDS) -> list[Figure]:
    """Files per minute of each kind, at one and at several in flight, and the floors."""
    found: dict[tuple[str, str], list[float]] = {}

    def note(what: str, unit: str, value: float) -> None:
        found.setdefault((what, unit), []).append(value)

    for _ in range(rounds):
        for at_once in IN_FLIGHT:
            with scratch() as folder, running(folder, LACE_INGEST_JOBS_PER_RUN=str(at_once)) as places:
                for kind in kinds:
                    _end_to_end(places, kind, files, at_once, note)
                if at_once == IN_FLIGHT[0]:
                    seconds = asyncio.run(_storing(places.dsn, folder / "floor", documents(kinds[0], files)))
                    note("floor: a file and a row durable, one after the other", "files/min", 60 / seconds)
        for kind in kinds:
            some = documents(kind, min(files, 100))
            note(f"{kind.name}: floor, extraction alone in one warm process", "files/min", 60 / _extraction(kind, some))
            for name, seconds in asyncio.run(_children(kind, some[: max(1, len(some) // 4)])):
                note(f"{kind.name}: extraction alone, {name} for each", "files/min", 60 / seconds)
    return [Figure(what, unit, values, digits=0) for (what, unit), values in sorted(found.items())]


def _end_to_end(places: Places, kind: Kind, files: int, at_once: int, note: Callable[[str, str, float], None]) -> None:
    base = f"http://127.0.0.1:{places.gateway_port}"
    asyncio.run(_ingest(base, places.token, documents(kind, 4)))
    given = documents(kind, files)
    began_cpu = _cpu_s(places.pid)
    sent, done = asyncio.run(_ingest(base, places.token, given))
    reading = _extraction(kind, given[:50]) * files
    note(f"{kind.name}: end to end, {at_once} in flight", "files/min", 60 * files / done)
    note(f"{kind.name}: of that the upload, {at_once} in flight", "% of the time", 100 * sent / done)
    note(f"{kind.name}: of that extraction itself, {at_once} in flight", "% of the time", 100 * reading / done)
    spent = _cpu_s(places.pid) - began_cpu
    note(f"{kind.name}: processor time of the services, {at_once} in flight", "ms a file", 1000 * spent / files)


def _cpu_s(pid: int) -> float:
    """Of the process with the services and of all that it has started, children that have ended included."""
    program = psutil.Process(pid)
    times = [process.cpu_times() for process in (program, *program.children(recursive=True))]
    return sum(t.user + t.system + t.children_user + t.children_system for t in times)


async def _storing(dsn: str, folder: Path, files: Sequence[tuple[str, bytes]]) -> float:
    """Seconds for each file: its bytes into the folder's store and its row into a table, and nothing else."""
    blobs = FolderBlobStore(folder, UrlSigner("secret"))
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("CREATE TABLE public.floor (name text PRIMARY KEY, sha256 text NOT NULL)")
        began = time.perf_counter()
        for filename, data in files:
            ref = await blobs.put("lace-sources", f"floor/{filename}", data, "text/plain")
            await connection.execute("INSERT INTO public.floor VALUES (%s, %s)", (filename, ref.sha256))
        seconds = time.perf_counter() - began
        await connection.execute("DROP TABLE public.floor")
    return seconds / len(files)


async def _children(kind: Kind, files: Sequence[tuple[str, bytes]]) -> list[tuple[str, float]]:
    """Seconds for each file in a child process of its own, as it is read in earnest, and as it would be without."""
    limits = ExtractionLimits()
    bounds = ChildLimits(limits.wall_s, limits.cpu_s, limits.memory_bytes, limits.output_bytes, is_confined=True)
    found = []
    with contextlib.closing(Zygote([READERS], child_environment())) as zygote, scratch() as folder:
        for name, used in (("a forked process", zygote), ("a fresh interpreter", None)):

            async def read(filename: str, data: bytes, used: Zygote | None = used) -> None:
                document = folder / filename
                document.write_bytes(data)
                order = encode(Order(filename, kind.source_format, limits))
                await run_in_child(_TARGET, order, limits=bounds, document=document, zygote=used)

            await read(*files[0])
            began = time.perf_counter()
            for file in files:
                await read(*file)
            found.append((name, (time.perf_counter() - began) / len(files)))
    return found


def documents(kind: Kind, count: int) -> list[tuple[str, bytes]]:
    """Different small documents: three headings, nine paragraphs, some 250 words."""
    made = []
    for _ in range(count):
        mark = uuid.uuid4().hex
        sections = [(f"Part {part} of {mark[:6]}", _paragraphs(part)) for part in range(3)]
        made.append((f"{mark}.{kind.source_format.value}", _MAKERS[kind.source_format](sections)))
    return made


def _paragraphs(part: int) -> list[str]:
    return [
        " ".join(_WORDS[(part + line + word * 5) % len(_WORDS)] for word in range(27)).capitalize() + "."
        for line in range(3)
    ]


def _markdown(sections: Sequence[tuple[str, list[str]]]) -> bytes:
    return "\n\n".join(f"# {title}\n\n" + "\n\n".join(lines) for title, lines in sections).encode()


def _docx(sections: Sequence[tuple[str, list[str]]]) -> bytes:
    def paragraph(text: str, style: str = "") -> str:
        properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
        return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"

    body = "".join(
        paragraph(title, "Heading1") + "".join(paragraph(line) for line in lines) for title, lines in sections
    )
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    styles = '<w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/></w:style>'
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", f'<w:document xmlns:w="{space}"><w:body>{body}</w:body></w:document>')
        archive.writestr("word/styles.xml", f'<w:styles xmlns:w="{space}">{styles}</w:styles>')
    return buffer.getvalue()


def _pdf(sections: Sequence[tuple[str, list[str]]]) -> bytes:
    """A page for each section, text in Helvetica, lines of some 90 characters."""
    objects = [b"", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for title, lines in sections:
        stream = _page(title, lines)
        content = len(objects) + 1
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        kids.append(len(objects) + 1)
        resources = "<< /Font << /F1 3 0 R >> >>"
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources {resources} /Contents {content} 0 R >>"
        objects.append(page.encode())
    objects[0] = b"<< /Type /Catalog /Pages 2 0 R >>"
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(f'{kid} 0 R' for kid in kids)}] /Count {len(kids)} >>".encode()
    out, places = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF".encode()
    return bytes(out)


def _page(title: str, lines: Sequence[str]) -> bytes:
    shown, height = [f"BT /F1 18 Tf 72 720 Td ({title}) Tj ET"], 690
    for line in lines:
        for start in range(0, len(line), 90):
            shown.append(f"BT /F1 11 Tf 72 {height} Td ({line[start : start + 90]}) Tj ET")
            height -= 14
        height -= 14
    return "\n".join(shown).encode()


_MAKERS = {SourceFormat.MD: _markdown, SourceFormat.DOCX: _docx, SourceFormat.PDF: _pdf}


async def _ingest(base: str, token: str, files: Sequence[tuple[str, bytes]]) -> tuple[float, float]:
    """Seconds until the upload was answered, and until the run that reads it had ended."""
    async with _client(base, token) as client:
        began = time.perf_counter()
        answer = await client.post(
            "/v1/sources:ingest",
            files=[("files", file) for file in files],
            headers={"idempotency-key": uuid.uuid4().hex},
        )
        sent = time.perf_counter() - began
        if answer.status_code != 202 or answer.json()["rejected"]:
            raise RuntimeError(f"the upload was not taken: {answer.text[:500]}")
        await _ended(client, answer.json()["run_id"], len(files))
        return sent, time.perf_counter() - began


async def _ended(client: httpx.AsyncClient, run_id: str, files: int) -> None:
    async with asyncio.timeout(_LONGEST_S):
        while (run := (await client.get(f"/v1/runs/{run_id}")).json())["state"] not in ("succeeded", "failed"):
            await asyncio.sleep(_POLL_S)
    # A file that was not read would make it quicker.
    if run["state"] != "succeeded" or run["result"]["files"]["ready"] != files:
        raise RuntimeError(f"not all was read: {run}")


@contextlib.asynccontextmanager
async def _client(base: str, token: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=_LONGEST_S) as client:
        yield client


def _extraction(kind: Kind, files: Sequence[tuple[str, bytes]]) -> float:
    """Seconds for each file, in this process, once it is warm."""

    def read(filename: str, data: bytes) -> ExtractedDocument:
        return read_document(Order(filename, kind.source_format, ExtractionLimits()), data)

    read(*files[0])
    began = time.perf_counter()
    for filename, data in files:
        read(filename, data)
    return (time.perf_counter() - began) / len(files)
