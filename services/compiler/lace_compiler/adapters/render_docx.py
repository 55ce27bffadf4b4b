"""WordprocessingML: real heading styles, a filled table of contents, citations linked to a list of sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lace_compiler.adapters.ooxml_element import (
    Element,
    field_code,
    field_mark,
    link,
    paragraph,
    run,
    val,
    w,
)
from lace_compiler.adapters.ooxml_package import BULLETS, FIRST_ORDERED, HEADING_LEVELS, package
from lace_compiler.adapters.ooxml_table import figure_box, table
from lace_compiler.adapters.table_layout import narrow_parts
from lace_compiler.app.ports import Rendered
from lace_compiler.domain import wording
from lace_compiler.domain.document import (
    BlockView,
    CalloutView,
    CitedSource,
    CodeView,
    Document,
    EquationView,
    FigureView,
    Heading,
    ListView,
    OpaqueView,
    ParagraphView,
    Passage,
    QuoteView,
    Reference,
    TableView,
)
from lace_compiler.domain.settings import CompileSettings, PageSize

_CONTENTS_FROM = 3
_CONTENTS_ALONE_FROM = 14
_SOURCES_ANCHOR = "sources"
_VERIFICATION_ANCHOR = "verification"
# Width and height in twentieths of a point.
_PAPERS = {PageSize.A4: (11906, 16838), PageSize.US_LETTER: (12240, 15840)}
_MARGINS = {"top": 1530, "bottom": 1420, "left": 1446, "right": 1446, "header": 720, "footer": 680, "gutter": 0}


class DocxRenderer:
    """Writes the body; `ooxml_package` puts the fixed parts around it."""

    def render(self, document: Document, settings: CompileSettings) -> Rendered:
        """The file as a zip whose bytes depend on the document and the settings alone."""
        body = _Body(settings)
        content = w("body", *body.document(document), _page(settings.page_size))
        return Rendered(package(document, content, body.ordered_lists))


class _Body:
    """The paragraphs and tables; remembers which references were cited and numbers bookmarks and lists."""

    def __init__(self, settings: CompileSettings) -> None:
        self._settings = settings
        self._bookmarks = 0
        self._cited: set[int] = set()
        self.ordered_lists = 0

    def document(self, document: Document) -> Iterator[Element]:
        yield paragraph("Title", run(document.title))
        yield paragraph("Subtitle", run(document.summary))
        if document.is_empty:
            yield paragraph("Normal", run(wording.EMPTY_DOCUMENT, "Emphasis"))
        yield from self._contents(document)
        for section in document.sections:
            if section.heading is not None:
                yield self._heading(section.heading)
            for block in section.blocks:
                yield from self._block(block)
        yield from self._sources(document)
        yield from self._verification(document)

    # -- contents and headings --

    def _contents(self, document: Document) -> Iterator[Element]:
        depth = self._settings.toc_depth
        entries = [(h.level, h.text, _bookmark_name(h)) for h in document.headings if h.level <= depth]
        if len(entries) < _CONTENTS_FROM:
            return
        if document.sources:
            entries.append((1, wording.SOURCES_AND_EVIDENCE, _SOURCES_ANCHOR))
        if document.verification is not None:
            entries.append((1, wording.VERIFICATION, _VERIFICATION_ANCHOR))
        yield paragraph("ContentsHeading", run(wording.CONTENTS))
        opening = [field_mark("begin"), field_code(f'TOC \\o "1-{depth}" \\h \\z \\u'), field_mark("separate")]
        for level, text, anchor in entries:
            yield paragraph(f"TOC{min(level, HEADING_LEVELS)}", *opening, link(anchor, run(text)))
            opening = []
        alone = w("r", w("br", type="page")) if len(entries) > _CONTENTS_ALONE_FROM else None
        yield paragraph("AfterBlock", field_mark("end"), alone)

    def _heading(self, heading: Heading) -> Element:
        if heading.level <= HEADING_LEVELS:
            bookmarked = self._bookmarked(_bookmark_name(heading), run(heading.title))
            return paragraph(f"Heading{heading.level}", *bookmarked)
        # Deeper than Word counts: the number is text.
        bookmarked = self._bookmarked(_bookmark_name(heading), run(heading.text))
        return paragraph(f"Heading{HEADING_LEVELS}", *bookmarked, properties=_unnumbered())

    def _bookmarked(self, name: str, *content: Element) -> list[Element]:
        self._bookmarks += 1
        start = w("bookmarkStart", id=self._bookmarks, name=name)
        return [start, *content, w("bookmarkEnd", id=self._bookmarks)]

    # -- blocks --

    def _block(self, block: BlockView) -> Iterator[Element]:
        match block:
            case ParagraphView():
                yield paragraph("Normal", *self._prose(block.passages))
            case QuoteView():
                yield paragraph("Quote", *self._prose(block.passages))
            case CalloutView():
                yield from self._callout(block)
            case ListView():
                yield from self._list(block)
            case TableView():
                for part in narrow_parts(block):
                    yield from self._table(part)
            case CodeView():
                yield from self._monospaced(block.text, block.citations)
            case EquationView():
                yield from self._monospaced(block.tex, block.citations)
            case FigureView():
                yield from self._figure(block)
            case OpaqueView():
                yield paragraph("Normal", run(wording.OPAQUE_NOTE, "Emphasis"), properties=[w("keepNext")])
                yield from self._monospaced(block.raw, ())

    def _prose(self, passages: Sequence[Passage]) -> Iterator[Element]:
        for position, passage in enumerate(passages):
            yield run((" " if position else "") + passage.text)
            yield from self._marks(passage.citations)

    def _marks(self, citations: Sequence[int]) -> Iterator[Element]:
        for position, number in enumerate(citations):
            yield run(", " if position else "[", "Citation")
            mark = link(f"ref_{number}", run(str(number), "Citation"))
            yield from [mark] if number in self._cited else self._bookmarked(f"cite_{number}", mark)
            self._cited.add(number)
        if citations:
            yield run("]", "Citation")

    def _callout(self, block: CalloutView) -> Iterator[Element]:
        style = f"Callout{block.tone.capitalize()}"
        yield paragraph(style, run(block.label, "Strong"), properties=[w("keepNext"), w("spacing", before=160)])
        yield paragraph(style, *self._prose(block.passages), properties=[w("spacing", after=200)])

    def _list(self, block: ListView) -> Iterator[Element]:
        style, number = "ListBullet", BULLETS
        if block.ordered:
            style, number = "ListNumber", FIRST_ORDERED + self.ordered_lists
            self.ordered_lists += 1
        for item in block.items:
            properties = [w("numPr", val("ilvl", 0), val("numId", number))]
            yield paragraph(style, *self._prose([item]), properties=properties)

    def _table(self, block: TableView) -> Iterator[Element]:
        caption = run(f" {block.caption}") if block.caption else None
        label = run(f"{wording.TABLE} {block.number}", "Strong")
        yield paragraph("Caption", label, caption, *self._marks(block.citations))
        if block.header:
            marks = [list(self._marks(row.citations)) for row in block.rows]
            yield table(block, marks)
        yield paragraph("AfterBlock")

    def _figure(self, block: FigureView) -> Iterator[Element]:
        yield figure_box(block)
        caption = run(f" {block.caption}") if block.caption else None
        label = run(f"{wording.FIGURE} {block.number}", "Strong")
        keep_off = [val("keepNext", 0)]
        yield paragraph("Caption", label, caption, *self._marks(block.citations), properties=keep_off)

    def _monospaced(self, text: str, citations: tuple[int, ...]) -> Iterator[Element]:
        yield paragraph("Code", run(text.removesuffix("\n")))
        if citations:
            yield paragraph("AfterBlock", *self._marks(citations))

    # -- sources --

    def _sources(self, document: Document) -> Iterator[Element]:
        if document.sources:
            bookmarked = self._bookmarked(_SOURCES_ANCHOR, run(wording.SOURCES_AND_EVIDENCE))
            yield paragraph("Heading1", *bookmarked, properties=[w("pageBreakBefore"), *_unnumbered()])
        for source in document.sources:
            yield from self._source(source)
        if document.uncited:
            yield paragraph("Heading2", run(wording.NOT_CITED), properties=_unnumbered())
            for name in document.uncited:
                yield _bullet(run(name))

    # -- verification --

    def _verification(self, document: Document) -> Iterator[Element]:
        view = document.verification
        if view is None:
            return
        bookmarked = self._bookmarked(_VERIFICATION_ANCHOR, run(wording.VERIFICATION))
        yield paragraph("Heading1", *bookmarked, properties=[w("pageBreakBefore"), *_unnumbered()])
        yield paragraph("Normal", run(view.summary))
        for fact in view.facts:
            yield _bullet(run(fact))
        if view.accepted:
            yield paragraph("Heading2", run(wording.ACCEPTED), properties=_unnumbered())
            for part in view.accepted:
                yield _bullet(run(f"“{part.text}” "), run(part.told, "Place"))
        yield paragraph("Heading2", run(wording.WITHHELD), properties=_unnumbered())
        yield paragraph("Normal", run(view.withheld_summary))
        for line in view.withheld:
            yield _bullet(run(line))

    def _source(self, source: CitedSource) -> Iterator[Element]:
        yield paragraph("Heading2", run(source.filename), properties=_unnumbered())
        if source.title:
            yield paragraph("SourceDetail", run(source.title, "Emphasis"))
        pages = wording.counted(source.source.page_count, "page") + " · " if source.source.page_count else ""
        yield paragraph("SourceDetail", run(f"{pages}SHA-256 {source.source.version}"))
        for reference in source.references:
            yield self._reference(source, reference)

    def _reference(self, source: CitedSource, reference: Reference) -> Element:
        number = link(f"cite_{reference.number}", run(f"[{reference.number}]", "Hyperlink"))
        place = ", ".join(filter(None, (source.filename, reference.place)))
        return paragraph(
            "Reference",
            *self._bookmarked(f"ref_{reference.number}", number),
            run("\t"),
            run(place, "Place"),
            run(f"  “{reference.quote}”") if reference.quote else None,
        )


def _bullet(*content: Element) -> Element:
    return paragraph("ListBullet", *content, properties=[w("numPr", val("ilvl", 0), val("numId", BULLETS))])


def _bookmark_name(heading: Heading) -> str:
    # A leading underscore hides it from Word's list of bookmarks, as for those that Word makes for its contents.
    return "_" + heading.anchor.replace("-", "_")


def _unnumbered() -> list[Element]:
    return [w("numPr", val("ilvl", 0), val("numId", 0))]


def _page(size: PageSize) -> Element:
    width, height = _PAPERS[size]
    header, footer, first = (
        w("headerReference", type="default"),
        w("footerReference", type="default"),
        w("footerReference", type="first"),
    )
    for reference, relation in ((header, "rId4"), (footer, "rId5"), (first, "rId5")):
        reference.set("{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id", relation)
    return w("sectPr", header, footer, first, w("pgSz", w=width, h=height), w("pgMar", **_MARGINS), w("titlePg"))
