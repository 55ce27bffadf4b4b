"""Reads PDF: by its structure tree where it is tagged, by the places and looks of its glyphs where it is not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.extractors.pdf.assembly import assemble_pieces
from lace_ingest.adapters.extractors.pdf.blocks import Block, BlockKind
from lace_ingest.adapters.extractors.pdf.furniture import PageLines, without_furniture
from lace_ingest.adapters.extractors.pdf.headings import decide, looks_of
from lace_ingest.adapters.extractors.pdf.joining import Joiner
from lace_ingest.adapters.extractors.pdf.layout import read_layout
from lace_ingest.adapters.extractors.pdf.lines import Line, read_lines
from lace_ingest.adapters.extractors.pdf.page import Page
from lace_ingest.adapters.extractors.pdf.pdfium import Document
from lace_ingest.adapters.extractors.pdf.structure import covers, read_structure
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.pieces import Reading

_NO_TITLE = re.compile(
    r"^(?:microsoft word - |untitled|document\d*$|slide 1|.*\.(?:docx?|odt|tex|dvi|indd|pdf|typ)$)", re.IGNORECASE
)
_NAMED_PAGES = 12


def extract(data: bytes, limits: ExtractionLimits) -> Reading:
    """The pieces of a PDF.

    Raises SOURCE_UNREADABLE (also where more than half of the pages cannot be read), SOURCE_ENCRYPTED,
    SOURCE_LIMIT_EXCEEDED, and SOURCE_NO_TEXT where no page with content has text; where only some pages are broken
    or silent, a warning names them.
    """
    document = Document(data, limits)
    found = _Found()
    for page in document.pages():
        found.add(page)
    found.refuse_useless(document.page_count)
    blocks, lines = _by_page(found.tagged, found.untagged, document)
    metadata = document.metadata
    title = metadata.get("title", "")
    return Reading(
        pieces=tuple(assemble_pieces(blocks, Joiner(lines))),
        title="" if _NO_TITLE.match(title) else title,
        page_count=document.page_count,
        warnings=found.warnings(),
        metadata=tuple(sorted(metadata.items())),
    )


@dataclass
class _Found:
    """The pages, sorted by how they are read; `silent` have content but no text, `broken` cannot be read."""

    tagged: dict[int, list[Block]] = field(default_factory=dict)
    untagged: list[PageLines] = field(default_factory=list)
    silent: list[int] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)

    def add(self, page: Page) -> None:
        if page.is_broken:
            self.broken.append(page.number)
        elif covers(page):
            self.tagged[page.number] = read_structure(page)
        else:
            self.untagged.append(_lines_of(page))
            if page.has_content and not self.untagged[-1].lines:
                self.silent.append(page.number)

    def refuse_useless(self, page_count: int) -> None:
        """Raises where nothing, or too little, can be read."""
        if 2 * len(self.broken) > page_count:
            raise LaceError(Reason.SOURCE_UNREADABLE, "The PDF is broken: most of its pages cannot be read.")
        if self.tagged or any(page.lines for page in self.untagged):
            return
        if self.silent:
            raise LaceError(Reason.SOURCE_NO_TEXT, "The PDF holds pictures only, no text; it may be a scan.")
        raise LaceError(Reason.SOURCE_NO_TEXT, f"The PDF has {page_count} pages, and nothing is on them.")

    def warnings(self) -> tuple[str, ...]:
        """What a person should know."""
        silent = (f"Pages without text, perhaps scanned: {_named(self.silent)}.",) if self.silent else ()
        broken = (f"Pages that could not be read: {_named(self.broken)}.",) if self.broken else ()
        return silent + broken


def _named(pages: Sequence[int]) -> str:
    return ", ".join(map(str, pages[:_NAMED_PAGES])) + (", …" if len(pages) > _NAMED_PAGES else "")


def _lines_of(page: Page) -> PageLines:
    return PageLines(page.number, page.width, page.height, read_lines(page.glyphs), page.strokes)


def _by_page(
    tagged: dict[int, list[Block]], untagged: Sequence[PageLines], document: Document
) -> tuple[list[Block], list[Line]]:
    """The blocks of all pages in order, headings decided, and all their lines."""
    clean = without_furniture(untagged)
    looks = looks_of(line for page in clean for line in page.lines)
    settled = _settled(tagged)
    by_page = {**settled, **{page.number: read_layout(page, looks) for page in clean}}
    blocks = [block for number in sorted(by_page) for block in by_page[number]]
    lines = [line for block in blocks for line in (*block.lines, *(one for e in block.entries for one in e.lines))]
    return decide(blocks, looks if clean else looks_of(lines), document.bookmarks()), lines


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
