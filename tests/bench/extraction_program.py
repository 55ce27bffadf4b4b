"""Reads files with one engine in this process and says what it took: `python extraction_program.py ENGINE OUT FILE…`.

Stands alone, since it also runs in the environment of the libraries that LACE is compared with.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Read = Callable[[Path], str]


def lace() -> Read:
    """LACE's own extraction, as its child processes do it: units with headings, spans and tables."""
    child = importlib.import_module("lace_ingest.adapters.reading.extraction_child")
    formats = importlib.import_module("lace_ingest.domain.formats")
    limits = importlib.import_module("lace_ingest.domain.limits")

    def read(path: Path) -> str:
        order = child.Order(path.name, formats.SourceFormat(path.suffix[1:]), limits.ExtractionLimits())
        document = child.read_document(order, path.read_bytes())
        parts: list[str] = [document.title]
        before: tuple[str, ...] = ()
        for unit in document.units:
            if unit.heading_path != before:
                kept = next((at for at in range(len(before), 0, -1) if unit.heading_path[:at] == before[:at]), 0)
                parts += unit.heading_path[kept:]
                before = unit.heading_path
            parts.append(unit.text)
        return "\n".join(parts)

    return read


def pypdfium2() -> Read:
    """The text of the pages as pdfium gives it, no more: the floor."""
    pdfium = importlib.import_module("pypdfium2")

    def read(path: Path) -> str:
        with pdfium.PdfDocument(path) as document:
            return "\n".join(page.get_textpage().get_text_range() for page in document)

    return read


def pypdf() -> Read:
    """Pure Python."""
    reader = importlib.import_module("pypdf").PdfReader
    return lambda path: "\n".join(page.extract_text() for page in reader(path).pages)


def pdfplumber() -> Read:
    """On pdfminer."""
    library = importlib.import_module("pdfplumber")

    def read(path: Path) -> str:
        texts = []
        with library.open(path) as document:
            for page in document.pages:
                texts.append(page.extract_text())
                page.close()
        return "\n".join(texts)

    return read


def markitdown() -> Read:
    """To Markdown, with pdfminer and mammoth."""
    converter = importlib.import_module("markitdown").MarkItDown()
    return lambda path: str(converter.convert(path).text_content)


def python_docx() -> Read:
    """Paragraphs and tables of the body."""
    library = importlib.import_module("docx")

    def read(path: Path) -> str:
        document = library.Document(str(path))
        texts = [paragraph.text for paragraph in document.paragraphs]
        texts += [cell.text for table in document.tables for row in table.rows for cell in row.cells]
        return "\n".join(texts)

    return read


def docx2python() -> Read:
    """All parts."""
    library = importlib.import_module("docx2python")

    def read(path: Path) -> str:
        with library.docx2python(path) as document:
            return str(document.text)

    return read


def mammoth() -> Read:
    """Raw text."""
    library = importlib.import_module("mammoth")

    def read(path: Path) -> str:
        with path.open("rb") as file:
            return str(library.extract_raw_text(file).value)

    return read


ENGINES: dict[str, Callable[[], Read]] = {
    engine.__name__: engine
    for engine in (lace, pypdfium2, pypdf, pdfplumber, markitdown, python_docx, docx2python, mammoth)
}


def main(engine: str, out: Path, paths: list[Path]) -> None:
    """Prints JSON: seconds of CPU and wall for all files, the most memory held before and in all, and failures."""
    read = ENGINES[engine]()
    failed: dict[str, str] = {}
    before = _peak_bytes()
    cpu, wall = time.process_time(), time.perf_counter()
    for path in paths:
        try:
            (out / f"{path.name}.txt").write_text(read(path), encoding="utf-8", errors="replace")
        except Exception as error:
            failed[path.name] = f"{type(error).__name__}: {error}"[:200]
    told: dict[str, Any] = {
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
        "start_bytes": before,
        "peak_bytes": _peak_bytes(),
        "failed": failed,
    }
    print(json.dumps(told), flush=True)


def _peak_bytes() -> int:
    """Of this program alone: what getrusage tells begins with what its parent held when it forked."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
