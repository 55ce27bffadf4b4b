"""GitHub-flavoured Markdown: linked table of contents, linked citations, a list of sources with the quoted spans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lace_compiler.adapters.markdown_text import fence, heading, inline, line_start
from lace_compiler.app.ports import Rendered
from lace_compiler.domain import wording
from lace_compiler.domain.document import (
    AcceptedView,
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
from lace_compiler.domain.settings import CompileSettings

_DEEPEST = 6
_CONTENTS_FROM = 3
_ALERTS = {"note": "NOTE", "tip": "TIP", "warning": "WARNING", "danger": "CAUTION"}
_SOURCES_ANCHOR = "sources"
_VERIFICATION_ANCHOR = "verification"


class MarkdownRenderer:
    """Writes CommonMark with GitHub's tables and alerts; anchors are explicit, so links work in every viewer."""

    def render(self, document: Document, settings: CompileSettings) -> Rendered:
        """UTF-8 bytes, LF line ends, one LF at the end."""
        chunks = list(_document(document, settings))
        return Rendered(("\n\n".join(chunks) + "\n").encode())


def _document(document: Document, settings: CompileSettings) -> Iterator[str]:
    yield "# " + heading(document.title)
    if document.summary:
        yield f"*{inline(document.summary)}*"
    if document.is_empty:
        yield f"*{wording.EMPTY_DOCUMENT}*"
    yield from _contents(document, settings.toc_depth)
    for section in document.sections:
        if section.heading is not None:
            yield _heading(section.heading)
        yield from filter(None, _blocks(section.blocks))
    yield from _sources(document)
    yield from _verification(document)


def _contents(document: Document, depth: int) -> Iterator[str]:
    listed = [heading for heading in document.headings if heading.level <= depth]
    if len(listed) < _CONTENTS_FROM:
        return
    yield f"## {wording.CONTENTS}"
    entries = [f"{'  ' * (h.level - 1)}- [{inline(h.text)}](#{h.anchor})" for h in listed]
    if document.sources:
        entries.append(f"- [{wording.SOURCES_AND_EVIDENCE}](#{_SOURCES_ANCHOR})")
    if document.verification is not None:
        entries.append(f"- [{wording.VERIFICATION}](#{_VERIFICATION_ANCHOR})")
    yield "\n".join(entries)


def _heading(shown: Heading) -> str:
    marks = "#" * min(shown.level + 1, _DEEPEST)
    return f"{marks} {heading(shown.text)} {_anchor(shown.anchor)}"


def _anchor(name: str) -> str:
    return f'<a id="{name}"></a>'


def _blocks(blocks: Iterable[BlockView]) -> Iterator[str]:
    """Each block as text. Two lists in a row take different marks, or a parser would read one list."""
    other = False
    before: BlockView | None = None
    for block in blocks:
        if isinstance(block, ListView):
            adjoining = isinstance(before, ListView) and before.ordered == block.ordered
            other = adjoining and not other
            yield "\n".join(_list(block, other))
        else:
            yield "\n".join(_block(block))
        before = block


def _block(block: BlockView) -> Iterable[str]:
    match block:
        case ParagraphView():
            return [_prose(block.passages)]
        case QuoteView():
            return ["> " + _prose(block.passages)]
        case CalloutView():
            return [f"> [!{_ALERTS[block.tone]}]", "> " + _prose(block.passages)]
        case ListView():
            return _list(block, False)
        case TableView():
            return _table(block)
        case CodeView():
            return [*fence(block.text, block.language), *_below(block.citations)]
        case EquationView():
            return [*fence(block.tex, "math"), *_below(block.citations)]
        case FigureView():
            return _figure(block)
        case OpaqueView():
            return [f"*{wording.OPAQUE_NOTE}*", "", *fence(block.raw, "json")]


def _prose(passages: Iterable[Passage]) -> str:
    return line_start(" ".join(_passage(passage) for passage in passages).strip())


def _passage(passage: Passage) -> str:
    return inline(passage.text) + _marks(passage.citations)


def _marks(citations: Iterable[int]) -> str:
    marks = "".join(f"[[{number}]](#ref-{number})" for number in citations)
    return f" {marks}" if marks else ""


def _below(citations: tuple[int, ...]) -> list[str]:
    return ["", _marks(citations).strip()] if citations else []


def _list(block: ListView, other: bool) -> Iterator[str]:
    bullet, delimiter = ("*", ")") if other else ("-", ".")
    for number, item in enumerate(block.items, 1):
        yield (f"{number}{delimiter} " if block.ordered else f"{bullet} ") + _prose([item])


def _table(block: TableView) -> Iterator[str]:
    yield _caption(wording.TABLE, block.number, block.caption) + _marks(block.citations)
    if not block.header:
        return
    yield ""
    yield "| " + " | ".join(inline(text) for text in block.header) + " |"
    yield "|" + " --- |" * len(block.header)
    for row in block.rows:
        cells = [inline(text) for text in row.cells]
        cells[-1] += _marks(row.citations)
        yield "| " + " | ".join(cells) + " |"


def _figure(block: FigureView) -> Iterator[str]:
    yield _caption(wording.FIGURE, block.number, block.caption) + _marks(block.citations)
    if block.alt:
        yield ""
        yield line_start(inline(block.alt))
    if block.uri:
        yield ""
        yield line_start(inline(block.uri))


def _caption(kind: str, number: int, caption: str) -> str:
    # Only our own words are emphasised: a caption may end in a character after which ** would be no end.
    return f"**{kind} {number}:** {inline(caption)}" if caption else f"**{kind} {number}**"


def _sources(document: Document) -> Iterator[str]:
    if document.sources:
        yield f"## {wording.SOURCES_AND_EVIDENCE} {_anchor(_SOURCES_ANCHOR)}"
    for source in document.sources:
        yield _source(source)
        yield _version(source)
        yield "\n".join(_reference(source, reference) for reference in source.references)
    if document.uncited:
        yield f"### {wording.NOT_CITED}"
        yield "\n".join("- " + line_start(inline(name)) for name in document.uncited)


def _source(source: CitedSource) -> str:
    title = f" — {source.title}" if source.title else ""
    return f"### {heading(source.filename + title)}"


def _version(source: CitedSource) -> str:
    pages = wording.counted(source.source.page_count, "page") + " · " if source.source.page_count else ""
    return f"*{pages}SHA-256 {inline(source.source.version)}*"


def _verification(document: Document) -> Iterator[str]:
    view = document.verification
    if view is None:
        return
    yield f"## {wording.VERIFICATION} {_anchor(_VERIFICATION_ANCHOR)}"
    yield line_start(inline(view.summary))
    if view.facts:
        yield "\n".join("- " + line_start(inline(fact)) for fact in view.facts)
    if view.accepted:
        yield f"### {wording.ACCEPTED}"
        yield "\n".join(_accepted(part) for part in view.accepted)
    yield f"### {wording.WITHHELD}"
    yield line_start(inline(view.withheld_summary))
    if view.withheld:
        yield "\n".join("- " + line_start(inline(line)) for line in view.withheld)


def _accepted(part: AcceptedView) -> str:
    return f"- “{inline(part.text)}” — {inline(part.told)}"


def _reference(source: CitedSource, reference: Reference) -> str:
    place = ", ".join(filter(None, (source.filename, reference.place)))
    head = f"- {_anchor(f'ref-{reference.number}')}**[{reference.number}]** {inline(place)}"
    return f"{head}: “{inline(reference.quote)}”" if reference.quote else head
