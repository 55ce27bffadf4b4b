"""From an IR revision to the document that renderers read: headings numbered, citations numbered, sources grouped."""

from __future__ import annotations

import re
from collections import Counter

from lace_compiler.domain import wording
from lace_compiler.domain.check import check
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
    Notice,
    OpaqueView,
    ParagraphView,
    Passage,
    QuoteView,
    Reference,
    RowView,
    Section,
    Statistics,
    TableView,
)
from lace_compiler.domain.settings import CompileSettings
from lace_compiler.domain.text import one_line, verbatim
from lace_compiler.domain.verification import verification_view
from lace_core.ir import (
    Artifact,
    Block,
    Callout,
    Code,
    Equation,
    Evidence,
    Figure,
    ListBlock,
    Node,
    Opaque,
    Paragraph,
    Quote,
    Sentence,
    Source,
    Table,
    cited_parts,
)
from lace_core.verification.report import Report

# The shape of a BCP 47 tag; anything else is shown as English, since a wrong tag can make a file unreadable.
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


def compose(
    artifact: Artifact, revision_id: str, ir_hash: str, settings: CompileSettings, report: Report | None = None
) -> Document:
    """The document of one revision, with what its verification came to; a pure function.

    Raises IR_INVALID where the tree has a cycle or a lost node, an id occurs twice or a citation leads nowhere.
    """
    check(artifact)
    composer = _Composer(artifact, settings, report)
    title = composer.line(artifact.title) or wording.UNTITLED
    sections = _Outline(title).sections(artifact, composer)
    sources = composer.cited_sources()
    statistics = _statistics(artifact, sources)
    return Document(
        artifact=artifact,
        revision_id=one_line(revision_id),
        ir_hash=ir_hash,
        title=title,
        language=artifact.language if _LANGUAGE.fullmatch(artifact.language) else "en",
        summary=_summary(statistics, one_line(revision_id)),
        sections=sections,
        sources=sources if settings.appendices else (),
        uncited=composer.uncited_filenames() if settings.appendices else (),
        statistics=statistics,
        notices=composer.notices(),
        verification=verification_view(report, _texts(artifact)) if report and settings.appendices else None,
        report=report,
    )


def _texts(artifact: Artifact) -> dict[str, str]:
    parts = (part for node in artifact.nodes for block in node.blocks for part in cited_parts(block))
    return {part.part_id: one_line(part.text) for part in parts}


class _Outline:
    """Heading levels and numbers. A heading that repeats the one right above it is not shown again."""

    def __init__(self, title: str) -> None:
        self._above = title
        self._levels: dict[str, int] = {}
        self._counters: list[int] = []

    def sections(self, artifact: Artifact, composer: _Composer) -> tuple[Section, ...]:
        return tuple(self._section(node, composer) for _, node in artifact.walk())

    def _section(self, node: Node, composer: _Composer) -> Section:
        heading = self._heading(node, composer.line(node.title))
        blocks = tuple(composer.block(block) for block in node.blocks)
        if heading is not None:
            self._above = heading.title
        if blocks:
            self._above = ""
        return Section(heading, blocks)

    def _heading(self, node: Node, title: str) -> Heading | None:
        parent_level = self._levels[node.parent_id] if node.parent_id is not None else 0
        if not title or title.casefold() == self._above.casefold():
            self._levels[node.node_id] = parent_level
            return None
        level = self._levels[node.node_id] = parent_level + 1
        del self._counters[level:]
        self._counters.extend([0] * (level - len(self._counters)))
        self._counters[-1] += 1
        path = [str(counter) for counter in self._counters]
        return Heading(level, ".".join(path), title, "section-" + "-".join(path))


class _Composer:
    """Blocks to views; numbers each piece of evidence at its first citation and counts what it had to change."""

    def __init__(self, artifact: Artifact, settings: CompileSettings, report: Report | None) -> None:
        self._vouched = {part.part_id for part in report.accepted} if report and settings.appendices else set[str]()
        self._quotes = settings.quotes
        self._shows_numbers = settings.appendices
        self._sources = artifact.sources
        self._evidence = {e.evidence_id: e for node in artifact.nodes for e in node.evidence}
        self._numbers: dict[str, int] = {}
        self._tables = 0
        self._figures = 0
        self._notices: Counter[str] = Counter()

    def line(self, text: str) -> str:
        """Shown text of prose."""
        return self._counted(text, one_line(text))

    def block(self, block: Block) -> BlockView:
        """The view of one block; citations are numbered in reading order."""
        match block:
            case Paragraph():
                return ParagraphView(self._sentences(block.sentences))
            case Quote():
                return QuoteView(self._sentences(block.sentences))
            case Callout():
                tone = block.tone if block.tone in wording.TONES else "note"
                label = wording.TONES.get(block.tone) or self.line(block.tone) or wording.TONES["note"]
                return CalloutView(tone, label, self._sentences(block.sentences))
            case ListBlock():
                items = tuple(self._passage(i.item_id, i.text, i.evidence_ids) for i in block.items)
                return ListView(items, block.ordered)
            case Table():
                return self._table(block)
            case Code():
                return CodeView(self._verbatim(block.text), self.line(block.language), self._cite(block.evidence_ids))
            case Equation():
                return EquationView(self._verbatim(block.tex).strip("\n"), self._cite(block.evidence_ids))
            case Figure():
                return self._figure(block)
            case Opaque():
                self._notices["BLOCK_KIND_UNKNOWN"] += 1
                return OpaqueView(self._verbatim(block.raw))

    def cited_sources(self) -> tuple[CitedSource, ...]:
        """The sources in order of their first citation, each with its references."""
        grouped: dict[str, list[Reference]] = {}
        for evidence_id, number in self._numbers.items():
            evidence = self._evidence[evidence_id]
            grouped.setdefault(evidence.source_id, []).append(self._reference(number, evidence))
        sources = {source.source_id: source for source in self._sources}
        return tuple(self._cited_source(sources[key], references) for key, references in grouped.items())

    def uncited_filenames(self) -> tuple[str, ...]:
        """File names of the sources that no citation leads to, in the artifact's order."""
        cited = {self._evidence[evidence_id].source_id for evidence_id in self._numbers}
        return tuple(self.line(s.filename) for s in self._sources if s.source_id not in cited)

    def notices(self) -> tuple[Notice, ...]:
        """What was changed on the way, by code."""
        return tuple(Notice(code, _NOTICES[code].format(n=count)) for code, count in sorted(self._notices.items()))

    def _sentences(self, sentences: tuple[Sentence, ...]) -> tuple[Passage, ...]:
        return tuple(self._passage(s.sentence_id, s.text, s.evidence_ids) for s in sentences)

    def _passage(self, part_id: str, text: str, evidence_ids: tuple[str, ...]) -> Passage:
        """What stands on a person's word bears a mark: numbers alone would say that its evidence supports it."""
        mark = f" {wording.VOUCHED}" if part_id in self._vouched else ""
        return Passage(self.line(text) + mark, self._cite(evidence_ids))

    def _table(self, block: Table) -> TableView:
        self._tables += 1
        citations = self._cite(block.evidence_ids)
        columns = max([len(block.header), *(len(row.cells) for row in block.rows)])
        ragged = sum(len(row.cells) != columns for row in block.rows) + (len(block.header) != columns)
        if ragged:
            self._notices["TABLE_PADDED"] += ragged
        header = self._cells(block.header, columns)
        rows = tuple(RowView(self._cells(row.cells, columns), self._cite(row.evidence_ids)) for row in block.rows)
        return TableView(self._tables, self.line(block.caption), header, rows, citations)

    def _cells(self, cells: tuple[str, ...], columns: int) -> tuple[str, ...]:
        return tuple(self.line(cell) for cell in cells) + ("",) * (columns - len(cells))

    def _figure(self, block: Figure) -> FigureView:
        self._figures += 1
        self._notices["FIGURE_AS_TEXT"] += 1
        citations = self._cite(block.evidence_ids)
        return FigureView(
            self._figures, self.line(block.alt), self.line(block.caption), self.line(block.uri), citations
        )

    def _cite(self, evidence_ids: tuple[str, ...]) -> tuple[int, ...]:
        numbers = dict.fromkeys(self._numbers.setdefault(e, len(self._numbers) + 1) for e in evidence_ids)
        return tuple(sorted(numbers)) if self._shows_numbers else ()

    def _cited_source(self, source: Source, references: list[Reference]) -> CitedSource:
        filename, title = self.line(source.filename) or source.source_id, self.line(source.title)
        return CitedSource(source, filename, "" if title == filename else title, tuple(references))

    def _reference(self, number: int, evidence: Evidence) -> Reference:
        page = f"{wording.PAGE} {evidence.page}" if evidence.page > 0 else ""
        path = " › ".join(filter(None, (self.line(heading) for heading in evidence.heading_path)))
        quote = self.line(evidence.quote) if self._quotes else ""
        return Reference(number, evidence, ", ".join(filter(None, (page, path))), quote)

    def _verbatim(self, text: str) -> str:
        return self._counted(text, verbatim(text))

    def _counted(self, original: str, shown: str) -> str:
        # Showing a control character never shortens a text, so a longer or different skeleton tells of it.
        if shown != original and "".join(shown.split()) != "".join(original.split()):
            self._notices["CONTROL_CHARACTERS"] += 1
        return shown


_NOTICES = {
    "BLOCK_KIND_UNKNOWN": "{n} block(s) of an unknown kind are shown as JSON.",
    "CONTROL_CHARACTERS": "{n} text(s) hold control or direction characters, shown by their code points.",
    "FIGURE_AS_TEXT": "{n} figure(s) are shown as their text: the compiler fetches no pictures.",
    "TABLE_PADDED": "{n} table row(s) had missing cells, shown as empty.",
}


def _statistics(artifact: Artifact, sources: tuple[CitedSource, ...]) -> Statistics:
    statements = [
        part
        for _, node in artifact.walk()
        for block in node.blocks
        if isinstance(block, Paragraph | Quote | Callout | ListBlock | Table)
        for part in cited_parts(block)
    ]
    return Statistics(
        statements=len(statements),
        cited_statements=sum(bool(part.evidence_ids) for part in statements),
        references=sum(len(source.references) for source in sources),
        cited_sources=len(sources),
    )


def _summary(counts: Statistics, revision_id: str) -> str:
    """The line under the title, for instance: 128 statements, 124 of them cited · 96 passages from 9 sources."""
    parts = []
    if counts.statements:
        parts.append(f"{wording.counted(counts.statements, 'statement')}, {counts.cited_statements:,} of them cited")
    if counts.references:
        passages = wording.counted(counts.references, "passage")
        parts.append(f"{passages} from {wording.counted(counts.cited_sources, 'source')}")
    if revision_id:
        parts.append(f"revision {revision_id}")
    return " · ".join(parts)
