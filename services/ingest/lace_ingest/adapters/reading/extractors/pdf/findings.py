"""Gathers the pages of a PDF, and what of them could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.reading.extractors.pdf.blocks import Block
from lace_ingest.adapters.reading.extractors.pdf.furniture import PageLines
from lace_ingest.adapters.reading.extractors.pdf.lines import Line, read_lines
from lace_ingest.adapters.reading.extractors.pdf.page import Frame, Page
from lace_ingest.adapters.reading.extractors.pdf.structure import artifacts, covers, read_structure
from lace_ingest.domain.documents import WHOLE
from lace_ingest.domain.extraction_warnings import ExtractionWarning, WarningCode, named_pages

_MOST_ARTIFACTS = 1000


@dataclass
class Findings:
    """The pages, sorted by how they are read; `silent` have content but no text, `broken` cannot be read.

    `turned` and `unknown` count, by page, the characters that were left out as they run across the page, and those
    whose meaning the file does not tell; `glyphs` counts all of a page that is not empty.
    """

    tagged: dict[int, list[Block]] = field(default_factory=dict)
    untagged: list[PageLines] = field(default_factory=list)
    artifacts: list[Line] = field(default_factory=list)
    frames: dict[int, Frame] = field(default_factory=dict)
    glyphs: dict[int, int] = field(default_factory=dict)
    silent: list[int] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    turned: dict[int, int] = field(default_factory=dict)
    unknown: dict[int, int] = field(default_factory=dict)

    def add(self, page: Page) -> None:
        """Reads a page; what is kept of it is what will be used."""
        if page.is_broken:
            self.broken.append(page.number)
            return
        self.frames[page.number] = page.frame
        self._count(page)
        if covers(page):
            self.tagged[page.number] = read_structure(page)
            if len(self.artifacts) < _MOST_ARTIFACTS:
                self.artifacts.extend(artifacts(page))
            return
        lines = read_lines(page.glyphs, page.number)
        self.untagged.append(PageLines(page.number, page.width, page.height, lines, page.strokes))
        if page.has_content and not lines:
            self.silent.append(page.number)

    def _count(self, page: Page) -> None:
        inked = len(page.glyphs) if any(not glyph.char.isspace() for glyph in page.glyphs) else 0
        for counts, count in ((self.glyphs, inked), (self.turned, page.turned_out), (self.unknown, page.unknown)):
            if count:
                counts[page.number] = count

    def refuse_useless(self, page_count: int) -> None:
        """Raises where nothing, or too little, can be read."""
        if 2 * len(self.broken) > page_count:
            raise LaceError(Reason.SOURCE_UNREADABLE, "The PDF is broken: most of its pages cannot be read.")
        if self.tagged or any(page.lines for page in self.untagged):
            return
        if self.silent:
            raise LaceError(Reason.SOURCE_NO_TEXT, "The PDF holds pictures only, no text; it may be a scan.")
        raise LaceError(Reason.SOURCE_NO_TEXT, f"The PDF has {page_count} pages, and nothing is on them.")

    def extractability(self, page_count: int) -> int:
        """The share of its pages that gave text, per mille; a page counts by the characters that have a meaning.

        Empty pages do not count; pages beyond those that were read count as unread.
        """
        empty = sum(1 for page in self.untagged if not page.lines) - len(self.silent)
        wanted = page_count - empty
        given = sum(1 - self.unknown.get(page, 0) / count for page, count in self.glyphs.items())
        return WHOLE if wanted <= 0 else min(int(WHOLE * given / wanted), WHOLE)

    def warnings(self) -> tuple[ExtractionWarning, ...]:
        """What a person should know."""
        found = [
            _by_page(WarningCode.PAGES_WITHOUT_TEXT, "Pages without text, perhaps scanned", self.silent),
            _by_page(WarningCode.PAGES_UNREADABLE, "Pages that could not be read", self.broken),
            _by_count(WarningCode.TURNED_TEXT_LEFT_OUT, "Text that runs across the page was left out", self.turned),
            _by_count(WarningCode.CHARACTERS_UNKNOWN, "Characters whose meaning the file does not tell", self.unknown),
        ]
        return tuple(warning for warning in found if warning is not None)


def _by_page(code: WarningCode, words: str, pages: list[int]) -> ExtractionWarning | None:
    return ExtractionWarning(code, f"{words}: {named_pages(pages)}.", pages[0], len(pages)) if pages else None


def _by_count(code: WarningCode, words: str, counts: dict[int, int]) -> ExtractionWarning | None:
    if not counts:
        return None
    total = sum(counts.values())
    message = f"{words}: {total} on pages {named_pages(counts)}."
    return ExtractionWarning(code, message, min(counts), total)
