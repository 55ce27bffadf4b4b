"""Reads PDF: by its structure tree where it is tagged, by the places and looks of its glyphs where it is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from lace_ingest.adapters.reading.extractors.joining import Joiner
from lace_ingest.adapters.reading.extractors.pdf.assembly import Assembler
from lace_ingest.adapters.reading.extractors.pdf.blocks import Block, BlockKind
from lace_ingest.adapters.reading.extractors.pdf.findings import Findings
from lace_ingest.adapters.reading.extractors.pdf.furniture import running_text, without_furniture
from lace_ingest.adapters.reading.extractors.pdf.headings import decide, looks_of, title_of
from lace_ingest.adapters.reading.extractors.pdf.layout import Looks, contents_lines, read_layout
from lace_ingest.adapters.reading.extractors.pdf.notes import lines_of
from lace_ingest.adapters.reading.extractors.pdf.pdfium import Document
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.reading.pieces import Reading

_NO_TITLE = re.compile(
    r"^(?:microsoft word - |[a-z]:\\|untitled|document\d*$|slide 1|.*\.(?:docx?|odt|tex|dvi|indd|pdf|typ)$)",
    re.IGNORECASE,
)
_MOST_RUNNING = 20


def extract(data: bytes, limits: ExtractionLimits) -> Reading:
    """The pieces of a PDF.

    Raises SOURCE_UNREADABLE (also where more than half of the pages cannot be read), SOURCE_ENCRYPTED,
    SOURCE_LIMIT_EXCEEDED, and SOURCE_NO_TEXT where no page with content has text; where only some pages are broken
    or silent, a warning names them.
    """
    document = Document(data, limits)
    found = Findings()
    for page in document.pages():
        found.add(page)
    found.refuse_useless(document.page_count)
    blocks, looks = _blocks(found, document)
    assembler = Assembler(
        Joiner(line.text for block in blocks for line in lines_of(block)), found.frames, looks.body_size
    )
    pieces = tuple(assembler.pieces(blocks))
    metadata = document.metadata
    title = metadata.get("title", "")
    is_named = bool(title) and not _NO_TITLE.match(title)
    return Reading(
        pieces=pieces,
        title=title if is_named else title_of(blocks, looks),
        page_count=document.page_count,
        warnings=found.warnings(),
        metadata=(*sorted(metadata.items()), *_left_out(found)),
        boxes=tuple(assembler.boxes),
        extractability=found.extractability(document.page_count),
    )


def _left_out(found: Findings) -> Iterator[tuple[str, str]]:
    """What is on the pages and no part of what the document says: told, so that it is not lost without a word."""
    running = running_text(found.untagged, found.artifacts)
    if running:
        yield "running_text", "; ".join(running[:_MOST_RUNNING])
    contents = sum(contents_lines(page.lines) for page in found.untagged)
    if contents:
        yield "contents_lines", str(contents)


def _blocks(found: Findings, document: Document) -> tuple[list[Block], Looks]:
    """The blocks of all pages in order, headings decided, and what is usual in them."""
    clean = without_furniture(found.untagged)
    looks = looks_of(line for page in clean for line in page.lines)
    settled = _settled(found.tagged)
    by_page = {**settled, **{page.number: read_layout(page, looks) for page in clean}}
    blocks = [block for number in sorted(by_page) for block in by_page[number]]
    if not clean:
        looks = looks_of(line for block in blocks for line in lines_of(block))
    return decide(blocks, looks, document.bookmarks()), looks


def _settled(tagged: dict[int, list[Block]]) -> dict[int, list[Block]]:
    """Where tags name headings, they name all of them; where they name none, that is left to the looks."""
    has_headings = any(block.kind is BlockKind.HEADING for found in tagged.values() for block in found)
    given, wanted = (BlockKind.RUN, BlockKind.TEXT) if has_headings else (BlockKind.TEXT, BlockKind.RUN)
    return {
        number: [
            replace(block, kind=wanted) if block.kind is given and not (block.begins_before or block.goes_on) else block
            for block in found
        ]
        for number, found in tagged.items()
    }
