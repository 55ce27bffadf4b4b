"""A document laid out for checks: its sections with their paths, and every piece of text with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from lace_core.ir import (
    Artifact,
    Block,
    Callout,
    Code,
    Evidence,
    Figure,
    ListBlock,
    Node,
    Paragraph,
    Table,
    cited_parts,
)
from lace_core.marked_yaml import did_you_mean
from lace_core.suites.results import Finding, Place
from lace_core.verification.tokens import Token
from lace_core.verification.wording import statements

_WORD = re.compile(r"[^\W_]+(?:['’.,-][^\W_]+)*")
_PATH = ">"


@dataclass(frozen=True)
class Passage:
    """A sentence, list item, row, or block cited as a whole. `kind` is its block's type; `head` names the columns and
    the caption where it is a row.
    """

    node_id: str
    section: tuple[str, ...]
    block_id: str
    part_id: str
    kind: str
    text: str
    evidence: tuple[Evidence, ...]
    head: str = ""

    @property
    def is_prose(self) -> bool:
        """Whether it reads as sentences do that the document itself says."""
        return self.kind in ("paragraph", "callout", "list")

    @property
    def stated(self) -> str:
        """The text as a statement: a row with its columns' names over it."""
        return f"{self.head}\n{self.text}" if self.kind == "table" and self.head else self.text

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """The tokens of what it states, read once for all checks."""
        return tuple(token for statement in statements(self.stated) for token in statement.tokens)

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(
            node_id=self.node_id,
            block_id=self.block_id,
            part_id=self.part_id,
            section=self.section,
            text=self.text,
            evidence_ids=tuple(evidence.evidence_id for evidence in self.evidence),
        )


@dataclass(frozen=True)
class Section:
    """A section of depth 1 and below, or the document itself (0): its titles from the document's own down."""

    node: Node
    depth: int
    path: tuple[str, ...]
    ancestors: tuple[str, ...]
    passages: tuple[Passage, ...]

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(node_id=self.node.node_id, section=self.path)

    @cached_property
    def words(self) -> int:
        """The words of its own text, headings left out."""
        return sum(count_words(passage.text) for passage in self.passages)


class Reading:
    """A document's sections in their order."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.sections: tuple[Section, ...] = tuple(_sections(artifact))

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """All pieces of text in reading order."""
        return tuple(passage for section in self.sections for passage in section.passages)

    @property
    def language(self) -> str:
        """The primary tag of the document's language, in lower case."""
        return self.artifact.language.partition("-")[0].lower()

    def chosen(self, names: Sequence[str]) -> tuple[tuple[Section, ...], tuple[Finding, ...]]:
        """The sections of these names and all below them, all sections where none is named; names that fit nothing."""
        if not names:
            return self.sections, ()
        found: set[str] = set()
        missing = []
        for name in names:
            fitting = [section.node.node_id for section in self.sections if is_named(section, name)]
            found.update(fitting)
            if not fitting:
                missing.append(self.missing(name))
        held = tuple(s for s in self.sections if s.node.node_id in found or not found.isdisjoint(s.ancestors))
        return held, tuple(missing)

    def missing(self, name: str) -> Finding:
        """The finding that no section has this name."""
        titles = {section.node.title for section in self.sections if section.depth}
        hint = did_you_mean(name, titles)
        hint = hint if hint.startswith(" Did") or len(titles) <= 8 else ""
        return Finding(code="SECTION_MISSING", message=f"There is no section {name!r}.{hint}")


def is_named(section: Section, name: str) -> bool:
    """Whether a title, or a path of titles down to the section, is this one; case and white space aside."""
    wanted = [_plain(part) for part in name.split(_PATH)]
    return [_plain(title) for title in section.path[-len(wanted) :]] == wanted or _plain(section.path[-1]) == _plain(
        name
    )


def count_words(text: str) -> int:
    """Words and numbers in a text."""
    return len(_WORD.findall(text))


def words_of(text: str) -> list[str]:
    """The words and numbers of a text as they are written."""
    return _WORD.findall(text)


def _plain(title: str) -> str:
    return " ".join(title.split()).casefold()


def _sections(artifact: Artifact) -> Iterator[Section]:
    path: list[str] = []
    chain: list[str] = []
    for depth, node in artifact.walk():
        path[depth:], ancestors = [node.title], tuple(chain[:depth])
        chain[depth:] = [node.node_id]
        held = {evidence.evidence_id: evidence for evidence in node.evidence}
        passages = tuple(p for block in node.blocks for p in _passages(node, tuple(path), block, held))
        yield Section(node, depth, tuple(path), ancestors, passages)


def _passages(node: Node, path: tuple[str, ...], block: Block, held: dict[str, Evidence]) -> Iterator[Passage]:
    kind = _kind(block)
    head = " | ".join(block.header) if isinstance(block, Table) else ""
    for part in cited_parts(block):
        evidence = tuple(held[ident] for ident in part.evidence_ids if ident in held)
        part_id = "" if part.part_id == part.block_id else part.part_id
        yield Passage(node.node_id, path, block.block_id, part_id, kind, part.text, evidence, head)


def _kind(block: Block) -> str:
    names = {Paragraph: "paragraph", Callout: "callout", ListBlock: "list", Table: "table", Code: "code"}
    return names.get(type(block), "figure" if isinstance(block, Figure) else type(block).__name__.lower())
