"""How fast, in how much memory and how well LACE reads PDF and DOCX, beside the libraries that others take for it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import pypdfium2

from lace_ingest.adapters.reading.child_reader import ChildReader
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.sources import Source, new_source
from lace_platform.clock import utc_now
from tests.bench.environments import python_with
from tests.bench.figures import Figure
from tests.bench.processes import ROOT, scratch
from tests.doubles.generated_documents import as_docx, as_pdf, make

_REQUIREMENTS = Path(__file__).with_name("requirements-extraction.txt")
_PROGRAM = Path(__file__).with_name("extraction_program.py")
_SHARED = Path(os.environ.get("LACE_SHARED", ROOT.parent / "shared"))
_SECTIONS = int(os.environ.get("LACE_BENCH_SECTIONS", "800"))  # 200 pages in one column
_PEERS = {
    "pdf": ("lace", "pypdfium2", "pypdf", "pdfplumber", "markitdown"),
    "docx": ("lace", "python_docx", "docx2python", "mammoth", "markitdown"),
}
_DOCX_PAGE = 3000
_WORD = re.compile(r"[^\W_]+")
_TEXT = re.compile(rb"<w:t[ >][^<]*")


@dataclass(frozen=True)
class Corpus:
    """The files of one format, how many pages they have together, and the text that the generated ones were made of."""

    files: Sequence[Path]
    pages: int
    references: Mapping[str, str]


@dataclass(frozen=True)
class Taken:
    """What one engine took for a corpus in one round, and what it made of it by file name."""

    cpu_s: float
    wall_s: float
    peak_bytes: int
    failed: Mapping[str, str]
    texts: Mapping[str, str]


def measure(rounds: int) -> list[Figure]:
    """Every engine over the same files, one process for each, one after the other, all of it in every round."""
    peers = python_with(_REQUIREMENTS)
    figures: list[Figure] = []
    with scratch() as folder:
        for kind, engines in _PEERS.items():
            corpus = _corpus(folder / kind, kind)
            taken: dict[str, list[Taken]] = {engine: [] for engine in engines}
            in_children: list[float] = []
            for _ in range(rounds):
                for engine in engines:
                    python = Path(sys.executable) if engine == "lace" else peers
                    taken[engine].append(_run(python, engine, corpus, folder))
                in_children.append(asyncio.run(_in_children(corpus)))
            figures += _figures(kind, corpus, taken, in_children)
    return figures


def _corpus(folder: Path, kind: str) -> Corpus:
    """Generated documents, the demo's dossier, and the public documents of the shared folder where it is there."""
    folder.mkdir()
    long, short = make(1, _SECTIONS), make(2, _SECTIONS // 4)
    references = {f"long.{kind}": long.text, f"short.{kind}": short.text}
    if kind == "pdf":
        (folder / "long.pdf").write_bytes(as_pdf(long))
        (folder / "short.pdf").write_bytes(as_pdf(short, columns=2))
    else:
        (folder / "long.docx").write_bytes(as_docx(long))
        (folder / "short.docx").write_bytes(as_docx(short))
    given = (ROOT / "examples" / "dossier", _SHARED / "corpora" / "peps")
    files = [path for place in (folder, *given) for path in sorted(place.glob(f"*.{kind}"))]
    return Corpus(files, sum(map(_pages, files)), references)


def _pages(path: Path) -> int:
    """Pages of a PDF; of a DOCX, which has none, one for every 3,000 characters of its text."""
    if path.suffix == ".pdf":
        with pypdfium2.PdfDocument(path) as document:
            return len(document)
    with zipfile.ZipFile(path) as archive:
        text = b"".join(_TEXT.findall(archive.read("word/document.xml")))
    return max(1, len(text) // _DOCX_PAGE)


def _run(python: Path, engine: str, corpus: Corpus, folder: Path) -> Taken:
    out = folder / "out" / engine
    out.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = [python, _PROGRAM, engine, out, *corpus.files]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    texts = {
        p.name: (out / f"{p.name}.txt").read_text(encoding="utf-8")
        for p in corpus.files
        if p.name not in told["failed"]
    }
    return Taken(told["cpu_s"], told["wall_s"], told["peak_bytes"], told["failed"], texts)


async def _in_children(corpus: Corpus) -> float:
    """Seconds for the corpus as the service reads it: a bounded and confined process for each document, one by one."""
    reader = ChildReader(1)
    began = time.perf_counter()
    for path in corpus.files:
        await reader.read(_source(path), path, ExtractionLimits())
    return time.perf_counter() - began


def _source(path: Path) -> Source:
    kind = SourceFormat(path.suffix[1:])
    return new_source(
        "ten_bench", path.name, kind, size_bytes=path.stat().st_size, sha256="0" * 64, raw_uri="",
        labels=(), created_at=utc_now(), created_by="prn_bench",
    )  # fmt: skip


def _figures(kind: str, corpus: Corpus, taken: Mapping[str, list[Taken]], in_children: Sequence[float]) -> list[Figure]:
    pages = corpus.pages
    names = {engine: f"{kind}, {'LACE' if engine == 'lace' else engine.replace('_', '-')}" for engine in taken}
    figures = [Figure(f"{kind}: files", "", [len(corpus.files)], 0), Figure(f"{kind}: pages", "", [pages], 0)]
    for engine, rounds in taken.items():
        figures.append(Figure(f"{names[engine]}: pages per CPU second", "", [pages / one.cpu_s for one in rounds], 1))
    for engine, rounds in taken.items():
        figures.append(Figure(f"{names[engine]}: pages per second", "", [pages / one.wall_s for one in rounds], 1))
    figures.append(
        Figure(f"{kind}, LACE, a process per document: pages per second", "", [pages / s for s in in_children], 1)
    )
    for engine, rounds in taken.items():
        figures.append(Figure(f"{names[engine]}: peak memory", "MiB", [one.peak_bytes / 2**20 for one in rounds], 0))
    for engine, rounds in taken.items():
        found = mean(_f1(rounds[0].texts.get(name, ""), text) for name, text in corpus.references.items())
        figures.append(Figure(f"{names[engine]}: word F1 with what was written", "", [found], 3))
    for engine, rounds in taken.items():
        figures.append(Figure(f"{names[engine]}: word F1 with the other engines", "", [_agreement(engine, taken)], 3))
        if rounds[0].failed:
            figures.append(Figure(f"{names[engine]}: files not read", "", [len(one.failed) for one in rounds], 0))
    return figures


def _agreement(engine: str, taken: Mapping[str, list[Taken]]) -> float:
    """The mean of F1 with each other engine over the files that were not generated for this."""
    own = taken[engine][0].texts
    others = [rounds[0].texts for name, rounds in taken.items() if name != engine]
    found = [
        _f1(text, other[name])
        for name, text in own.items()
        if not name.startswith(("long.", "short."))
        for other in others
        if name in other
    ]
    return mean(found) if found else 0.0


def _f1(text: str, reference: str) -> float:
    """Of the words as a bag, letters and digits only, without regard to case; their order is not judged."""
    found, wanted = (Counter(_WORD.findall(one.lower())) for one in (text, reference))
    common = (found & wanted).total()
    return 2 * common / max(found.total() + wanted.total(), 1)
