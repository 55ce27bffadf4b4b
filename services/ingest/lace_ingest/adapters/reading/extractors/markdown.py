"""Reads Markdown: CommonMark with tables, front matter and footnotes, its source lines kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from mdit_py_plugins.footnote import footnote_plugin

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.reading.extractors.encodings import decode
from lace_ingest.adapters.reading.extractors.html_fragments import plain, read_fragment
from lace_ingest.domain.documents import UnitKind
from lace_ingest.domain.extraction_warnings import ExtractionWarning, WarningCode
from lace_ingest.domain.limits import ExtractionLimits, refuse_beyond
from lace_ingest.domain.reading.anchors import anchor, without_noncharacters
from lace_ingest.domain.reading.pieces import Grid, Heading, Item, Listing, Note, Piece, Program, Prose, Reading

_PARSED_NESTING = 120
_NESTING = 110  # what is deeper than the parser goes is left out by it, so that is refused before
_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(?P<fields>.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_FIELD = re.compile(r"^(?P<name>[A-Za-z][\w-]*)\s*:\s*(?P<value>\S.*?)\s*$", re.MULTILINE)
_MISSING_NOTE = re.compile(r"\[\^[^\]\s]+\]")
_DEFINITION = re.compile(
    r"^ {0,3}\[\^(?P<label>[^\]\s]+)\]:[ \t]*(?P<text>.*(?:\n(?!\s*\n|\s*\[\^).+)*(?:\n[ \t]*\n(?: {4}|\t).+)*)",
    re.MULTILINE,
)
_PANDOC_CAPTION = re.compile(r"^(?:Table)?:\s+(?=\S)")


def extract(data: bytes, limits: ExtractionLimits) -> Reading:
    """The pieces of a Markdown file. Raises SOURCE_UNREADABLE, SOURCE_LIMIT_EXCEEDED."""
    decoded = decode(data)
    refuse_beyond("characters", len(decoded.text), limits.chars)
    fields, body, offset = _front_matter(decoded.text)
    parsed = _parse(body)
    reader = _Reader(offset)
    pieces = _with_pandoc_captions(reader.read(parsed.root))
    return Reading(
        pieces=(*pieces, *_unused_notes(body, parsed.unused, offset)),
        title=fields.get("title", ""),
        warnings=decoded.warnings + _missing_notes(parsed.root),
        metadata=tuple(sorted(fields.items())),
        extractability=decoded.extractability,
    )


@dataclass(frozen=True)
class _Parsed:
    """The syntax tree, and the labels of notes to which nothing refers: the parser drops them."""

    root: SyntaxTreeNode
    unused: frozenset[str]


def _parse(body: str) -> _Parsed:
    parser = MarkdownIt("commonmark", {"maxNesting": _PARSED_NESTING}).enable(["table", "strikethrough"])
    footnote_plugin(parser)
    env: dict[str, Any] = {}
    tokens = parser.parse(body, env)
    if any(token.level >= _NESTING for token in tokens):
        raise LaceError(Reason.SOURCE_LIMIT_EXCEEDED, "The text nests lists and quotes too deep.")
    refs = env.get("footnotes", {}).get("refs", {})
    unused = frozenset(label.removeprefix(":") for label, place in refs.items() if place < 0)
    return _Parsed(SyntaxTreeNode(tokens), unused)


def _unused_notes(body: str, labels: frozenset[str], offset: int) -> Iterator[Note]:
    for found in _DEFINITION.finditer(body) if labels else ():
        if found["label"] in labels:
            line = body.count("\n", 0, found.start()) + 1 + offset
            yield Note(f"unused {found['label']}", found["label"], found["text"], line=line)


def _missing_notes(root: SyntaxTreeNode) -> tuple[ExtractionWarning, ...]:
    marks = [mark for node in root.walk() if node.type == "text" for mark in _MISSING_NOTE.findall(node.content)]
    if not marks:
        return ()
    message = f"Notes that are referred to but not there: {', '.join(dict.fromkeys(marks))}."
    return (ExtractionWarning(WarningCode.NOTES_MISSING, message, count=len(marks)),)


def _front_matter(text: str) -> tuple[dict[str, str], str, int]:
    """Its fields, the text without it, and the number of lines that it took."""
    found = _FRONT_MATTER.match(text)
    if not found or not _FIELD.search(found["fields"]):
        return {}, text, 0
    fields = {m["name"].lower(): m["value"].strip("\"'") for m in _FIELD.finditer(found["fields"])}
    return fields, text[found.end() :], found.group().count("\n")


def _with_pandoc_captions(pieces: list[Piece]) -> list[Piece]:
    """A paragraph `: text` or `Table: text` after a table is its caption."""
    result: list[Piece] = []
    for piece in pieces:
        last = result[-1] if result else None
        mark = _PANDOC_CAPTION.match(piece.text) if isinstance(piece, Prose) else None
        if mark and isinstance(piece, Prose) and isinstance(last, Grid) and not last.caption:
            result[-1] = replace(last, caption=piece.text[mark.end() :])
        else:
            result.append(piece)
    return result


class _Reader:
    """Walks the syntax tree; `offset` is the number of lines before it."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def read(self, root: SyntaxTreeNode) -> list[Piece]:
        """The pieces of all blocks below a node."""
        return [piece for node in root.children for piece in self._block(node, UnitKind.PARAGRAPH)]

    def _block(self, node: SyntaxTreeNode, kind: UnitKind) -> Iterator[Piece]:
        line = self._line(node)
        match node.type:
            case "heading":
                yield Heading(int(node.tag[1]), _inline(node), line=line)
            case "paragraph":
                yield Prose(_inline(node), kind, line=line)
            case "bullet_list" | "ordered_list":
                yield from self._list(node)
            case "blockquote":
                for child in node.children:
                    yield from self._block(child, UnitKind.QUOTE)
            case "table":
                yield _table(node, line)
            case "fence" | "code_block":
                yield Program(node.content, node.info.split(" ")[0] if node.info else "", line=line)
            case "html_block":
                yield from read_fragment(node.content, line)
            case "footnote_block":
                yield from map(self._note, node.children)

    def _note(self, node: SyntaxTreeNode) -> Note:
        """All that a note says, as one text."""
        texts = [_inline(inner) for inner in node.walk() if any(child.type == "inline" for child in inner.children)]
        line = next((self._line(inner) for inner in node.walk() if not inner.is_root and inner.map), 0)
        return Note(str(node.meta["id"]), _mark_of(node), " ".join(texts), line=line)

    def _list(self, node: SyntaxTreeNode) -> Iterator[Piece]:
        """A list; what an item holds beside text and lists (code, tables) interrupts it and keeps its place."""
        items: list[Item] = []
        for entry in self._entries(node, 0):
            if isinstance(entry, Item):
                items.append(entry)
                continue
            if items:
                yield Listing(tuple(items), line=self._line(node))
                items = []
            yield entry
        if items:
            yield Listing(tuple(items), line=self._line(node))

    def _entries(self, node: SyntaxTreeNode, level: int) -> Iterator[Item | Piece]:
        number = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else 0
        for entry in node.children:
            marker = f"{number}." if node.type == "ordered_list" else "-"
            number += 1
            paragraphs: list[str] = []
            for child in entry.children:
                if child.type == "paragraph":
                    paragraphs.append(_inline(child))
                    continue
                if paragraphs:
                    yield Item(" ".join(paragraphs), level, marker)
                    paragraphs = []
                if child.type in ("bullet_list", "ordered_list"):
                    yield from self._entries(child, level + 1)
                else:
                    yield from self._block(child, UnitKind.PARAGRAPH)
            if paragraphs:
                yield Item(" ".join(paragraphs), level, marker)

    def _line(self, node: SyntaxTreeNode) -> int:
        return (node.map[0] if node.map else 0) + 1 + self._offset


def _table(node: SyntaxTreeNode, line: int) -> Grid:
    rows = [tuple(_inline(cell) for cell in row.children) for part in node.children for row in part.children]
    return Grid(rows[0], tuple(rows[1:]), line=line)


def _inline(node: SyntaxTreeNode) -> str:
    """The text of a block's inline content."""
    text = "".join(_spoken(child.children) for child in node.children if child.type == "inline")
    return _MISSING_NOTE.sub("", text)


def _mark_of(node: SyntaxTreeNode) -> str:
    return str(node.meta.get("label") or node.meta["id"] + 1)


def _spoken(nodes: Sequence[SyntaxTreeNode]) -> str:
    """What inline nodes say: link texts, alternative texts, code; marks and tags left out."""
    parts: list[str] = []
    for node in nodes:
        if node.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif node.type == "html_inline":
            parts.append(plain(node.content))
        elif node.type == "footnote_ref":
            parts.append(anchor(str(node.meta["id"])))
        elif node.children:
            parts.append(_spoken(node.children))
        else:
            parts.append(without_noncharacters(node.content) if node.type in ("text", "code_inline") else "")
    return "".join(parts)
