"""The document as all renderers read it: numbered sections, shown text, numbered citations, sources in order.

Every text in here has passed `domain.text`: renderers escape it for their format and change nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lace_core.ir import Artifact, Evidence, Source
from lace_core.verification.report import Report


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the reader of a compiled file should know: a stable code and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text and the numbers of the references it rests on."""

    text: str
    citations: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ParagraphView:
    """Prose: one passage per sentence."""

    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class QuoteView:
    """A passage quoted as such."""

    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class CalloutView:
    """A passage set apart; `label` is the word for its tone."""

    tone: str
    label: str
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class ListView:
    """A bulleted or numbered list."""

    items: tuple[Passage, ...]
    ordered: bool


@dataclass(frozen=True, slots=True)
class RowView:
    """As many cells as the table has columns; the citations belong to the whole row."""

    cells: tuple[str, ...]
    citations: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TableView:
    """A table; `number` counts the tables of the document from 1, citations belong to the table as a whole."""

    number: int
    caption: str
    header: tuple[str, ...]
    rows: tuple[RowView, ...]
    citations: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CodeView:
    """Program text, to the character."""

    text: str
    language: str
    citations: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class EquationView:
    """A formula, shown in its TeX notation."""

    tex: str
    citations: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FigureView:
    """The text that stands for a picture; `number` counts the figures of the document from 1."""

    number: int
    alt: str
    caption: str
    uri: str
    citations: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class OpaqueView:
    """A block of an unknown kind as its JSON text."""

    raw: str


BlockView = (
    ParagraphView | QuoteView | CalloutView | ListView | TableView | CodeView | EquationView | FigureView | OpaqueView
)


@dataclass(frozen=True, slots=True)
class Heading:
    """A section's heading: level from 1, number such as 2.1."""

    level: int
    number: str
    title: str
    anchor: str

    @property
    def text(self) -> str:
        """Number and title as one line."""
        return f"{self.number} {self.title}"


@dataclass(frozen=True, slots=True)
class Section:
    """A node of the IR: its heading, None where it would repeat the one above it, and its blocks."""

    heading: Heading | None
    blocks: tuple[BlockView, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """One numbered piece of evidence: where in its source it stands and what it says (empty where not asked for)."""

    number: int
    evidence: Evidence
    place: str
    quote: str


@dataclass(frozen=True, slots=True)
class CitedSource:
    """A source and its references in the order of their numbers."""

    source: Source
    filename: str
    title: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class AcceptedView:
    """A piece of the text that a person vouches for: who, on which day, why."""

    text: str
    by: str
    on: str
    reason: str

    @property
    def told(self) -> str:
        """Who vouches for it, when and why, as one line."""
        return f"{self.by}, {self.on}: {self.reason}"


@dataclass(frozen=True, slots=True)
class VerificationView:
    """By what right the text stands, in lines, and how much was kept out for which reasons, but not what."""

    summary: str
    facts: tuple[str, ...]
    accepted: tuple[AcceptedView, ...]
    withheld_summary: str
    withheld: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts over the document; a statement is a sentence, a list item or a table row."""

    statements: int
    cited_statements: int
    references: int
    cited_sources: int


@dataclass(frozen=True, slots=True)
class Document:
    """One compiled revision before it takes a format.

    `sources`, `uncited` and `verification` are its appendices, empty where they are not to be shown; `report` is there
    for formats that hold data.
    """

    artifact: Artifact
    revision_id: str
    ir_hash: str
    title: str
    language: str
    summary: str
    sections: tuple[Section, ...]
    sources: tuple[CitedSource, ...]
    uncited: tuple[str, ...]
    statistics: Statistics
    notices: tuple[Notice, ...] = ()
    verification: VerificationView | None = None
    report: Report | None = None

    @property
    def headings(self) -> tuple[Heading, ...]:
        """The headings that are shown, in order."""
        return tuple(section.heading for section in self.sections if section.heading is not None)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing below the title."""
        return not any(section.heading is not None or section.blocks for section in self.sections)

    def blocks(self) -> Iterator[BlockView]:
        """Every block in document order."""
        for section in self.sections:
            yield from section.blocks
