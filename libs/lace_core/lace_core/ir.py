"""The intermediate representation: one document as an ordered tree of nodes, blocks and cited sentences.

Everything here is an immutable value. Nothing is addressed by index: nodes, blocks, sentences, list items,
rows and evidence have stable ids. There are no floats; text is NFC (normalised where it enters, see apply).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from lace_core.migrations.chain import CURRENT_VERSION, FIRST_VERSION, migrate

IR_SCHEMA_VERSION = CURRENT_VERSION


class NodeState(StrEnum):
    """Life of a node: forward only, back only by an explicit reopen."""

    EMPTY = "empty"
    OUTLINED = "outlined"
    DRAFT = "draft"
    FINAL = "final"


class Value(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Base of all IR values: frozen, keyword-only, unknown fields refused.

    A value holds values and texts alone and so can be in no circle: Python's collector need not look through the
    hundreds of thousands of them that a large document is made of.
    """


class Source(Value, frozen=True):
    """A source document as the artifact cites it; `version` is the SHA-256 of its raw bytes."""

    source_id: str
    version: str
    filename: str
    title: str
    media_type: str
    page_count: int = 0
    labels: tuple[str, ...] = ()


class Evidence(Value, frozen=True):
    """An exact span of a source unit: `quote` is the unit's text from `start` to `end` (code points).

    `page` is 1-based, 0 where the format has no pages; `score` is a decimal string, `quote_hash` the SHA-256 of
    the quote's UTF-8 bytes; `extraction` names the extraction that made the unit, to which the span is tied.
    """

    evidence_id: str
    source_id: str
    source_version: str
    unit_id: str
    extraction: str
    start: int
    end: int
    quote: str
    quote_hash: str
    heading_path: tuple[str, ...] = ()
    page: int = 0
    score: str = "0"
    method: str = ""


class Sentence(Value, frozen=True):
    """One sentence of prose and the evidence it rests on."""

    sentence_id: str
    text: str
    evidence_ids: tuple[str, ...] = ()


class ListItem(Value, frozen=True):
    """One item of a list, cited like a sentence."""

    item_id: str
    text: str
    evidence_ids: tuple[str, ...] = ()


class Row(Value, frozen=True):
    """One row of a table: as many cells as the table has columns, cited as a whole."""

    row_id: str
    cells: tuple[str, ...]
    evidence_ids: tuple[str, ...] = ()


class _Block(Value, frozen=True, tag_field="type"):
    block_id: str


class Paragraph(_Block, frozen=True, tag="paragraph"):
    """Prose."""

    sentences: tuple[Sentence, ...]


class ListBlock(_Block, frozen=True, tag="list"):
    """A bulleted or numbered list."""

    items: tuple[ListItem, ...]
    ordered: bool = False


class Table(_Block, frozen=True, tag="table"):
    """A table with a header row; `caption` may be empty."""

    header: tuple[str, ...]
    rows: tuple[Row, ...]
    caption: str = ""
    evidence_ids: tuple[str, ...] = ()


class Code(_Block, frozen=True, tag="code"):
    """Program text, kept to the character."""

    text: str
    language: str = ""
    evidence_ids: tuple[str, ...] = ()


class Quote(_Block, frozen=True, tag="quote"):
    """A passage quoted as such."""

    sentences: tuple[Sentence, ...]


class Figure(_Block, frozen=True, tag="figure"):
    """A picture by reference, with the text that stands for it."""

    uri: str
    alt: str
    caption: str = ""
    evidence_ids: tuple[str, ...] = ()


class Callout(_Block, frozen=True, tag="callout"):
    """A passage set apart; `tone` is note, tip, warning or danger."""

    tone: str
    sentences: tuple[Sentence, ...]


class Equation(_Block, frozen=True, tag="equation"):
    """A formula in TeX notation."""

    tex: str
    evidence_ids: tuple[str, ...] = ()


class Opaque(_Block, frozen=True, tag="opaque"):
    """A block of an unknown kind, kept byte for byte as its JSON text."""

    raw: str


Block = Paragraph | ListBlock | Table | Code | Quote | Figure | Callout | Equation | Opaque


class GlossaryTerm(Value, frozen=True):
    """A term to use: what it means, and the words that are not to be used in its place."""

    term: str
    definition: str = ""
    avoid: tuple[str, ...] = ()


class Constraints(Value, frozen=True):
    """What a node asks of its content; unset fields inherit, `locked` names fields a child may not loosen."""

    must_cite: bool | None = None
    min_citations_per_block: int | None = None
    no_split: bool | None = None
    max_words: int | None = None
    min_words: int | None = None
    audience: str | None = None
    tone: str | None = None
    language: str | None = None
    glossary: tuple[GlossaryTerm, ...] | None = None
    forbidden_phrases: tuple[str, ...] | None = None
    allowed_fact_ids: tuple[str, ...] | None = None
    competency_questions: tuple[str, ...] | None = None
    locked: tuple[str, ...] = ()


class Node(Value, frozen=True, dict=True, gc=True):
    """A section: its own blocks and the evidence they cite. `order_key` sorts siblings as a string."""

    node_id: str
    parent_id: str | None
    order_key: str
    title: str
    state: NodeState = NodeState.EMPTY
    brief: str = ""
    summary: str = ""
    constraints: Constraints = Constraints()
    blocks: tuple[Block, ...] = ()
    evidence: tuple[Evidence, ...] = ()


class Artifact(Value, frozen=True, dict=True, gc=True):
    """One document. `nodes` holds the tree in document order (a parent before its children)."""

    artifact_id: str
    title: str
    language: str = "en"
    ir_schema_version: int = IR_SCHEMA_VERSION
    nodes: tuple[Node, ...] = ()
    sources: tuple[Source, ...] = ()

    @property
    def root(self) -> Node:
        """The node without a parent; raises LookupError when the document is empty."""
        for node in self.nodes:
            if node.parent_id is None:
                return node
        raise LookupError(f"{self.artifact_id} has no root node")

    def node(self, node_id: str) -> Node:
        """The node of that id; raises LookupError."""
        for node in self.nodes:
            if node.node_id == node_id:
                return node
        raise LookupError(f"{self.artifact_id} has no node {node_id}")

    def children(self, node_id: str) -> tuple[Node, ...]:
        """The children of a node in order."""
        return tuple(in_order(node for node in self.nodes if node.parent_id == node_id))

    def walk(self) -> Iterator[tuple[int, Node]]:
        """Depth (root 0) and node, in document order; nodes that the root does not reach are left out."""
        by_parent: dict[str | None, list[Node]] = {}
        for node in self.nodes:
            by_parent.setdefault(node.parent_id, []).append(node)
        stack = [(0, node) for node in reversed(in_order(by_parent.pop(None, [])))]
        while stack:
            depth, node = stack.pop()
            yield depth, node
            # taken out, so that even ids used twice lead to no circle
            stack.extend((depth + 1, child) for child in reversed(in_order(by_parent.pop(node.node_id, []))))


def in_order(siblings: Iterable[Node]) -> list[Node]:
    """Siblings by order key; the id decides where two are equal."""
    return sorted(siblings, key=lambda node: (node.order_key, node.node_id))


class Cited(Struct, frozen=True):
    """A piece of text that carries citations: a sentence, list item, row, or a block cited as a whole."""

    block_id: str
    part_id: str
    text: str
    evidence_ids: tuple[str, ...]


def cited_parts(block: Block) -> Iterator[Cited]:
    """Every citable piece of a block in reading order; opaque blocks have none."""
    match block:
        case Paragraph() | Quote() | Callout():
            for s in block.sentences:
                yield Cited(block.block_id, s.sentence_id, s.text, s.evidence_ids)
        case ListBlock():
            for i in block.items:
                yield Cited(block.block_id, i.item_id, i.text, i.evidence_ids)
        case Table():
            for r in block.rows:
                yield Cited(block.block_id, r.row_id, " | ".join(r.cells), r.evidence_ids or block.evidence_ids)
        case Code() | Equation() | Figure():
            text = block.text if isinstance(block, Code) else block.tex if isinstance(block, Equation) else block.alt
            yield Cited(block.block_id, block.block_id, text, block.evidence_ids)
        case Opaque():
            return


class _Versioned(Struct, frozen=True):
    ir_schema_version: int = FIRST_VERSION


_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Artifact)
_VERSION_DECODER = msgspec.json.Decoder(_Versioned)


def encode(artifact: Artifact) -> bytes:
    """Canonical JSON bytes of a document (the IR holds no floats and only ASCII keys, see canonical)."""
    return _ENCODER.encode(artifact)


def decode(data: bytes) -> Artifact:
    """The document of its JSON bytes, migrated where they are of an earlier schema version.

    Raises ValueError (msgspec.ValidationError) where they do not fit, UnknownVersion where they are of a version that
    this code does not know.
    """
    if schema_version(data) == IR_SCHEMA_VERSION:
        return _DECODER.decode(data)
    return artifact_of(msgspec.json.decode(data))


def schema_version(data: bytes) -> int:
    """The version that JSON bytes of a document name; raises ValueError where they are no JSON object."""
    return _VERSION_DECODER.decode(data).ir_schema_version


def artifact_of(form: Mapping[str, Any]) -> Artifact:
    """The document of its parsed JSON, migrated where that is of an earlier version; raises as `decode` does."""
    return msgspec.convert(migrate(form), Artifact)
