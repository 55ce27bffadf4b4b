"""Reads Markdown: CommonMark with tables, front matter and footnotes, its source lines kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.extractors.encodings import decode
from lace_ingest.adapters.extractors.html_fragments import plain, read_fragment
from lace_ingest.domain.documents import UnitKind
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.pieces import Grid, Heading, Item, Listing, Piece, Program, Prose, Reading

_PARSED_NESTING = 120
_NESTING = 110  # what is deeper than the parser goes is left out by it, so that is refused before
_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(?P<fields>.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_FIELD = re.compile(r"^(?P<name>[A-Za-z][\w-]*)\s*:\s*(?P<value>\S.*?)\s*$", re.MULTILINE)
_FOOTNOTE_MARK = re.compile(r"\[\^[^\]\s]+\]:?\s?")
_PANDOC_CAPTION = re.compile(r"^(?:Table)?:\s+(?=\S)")


def extract(data: bytes, limits: ExtractionLimits) -> Reading:
    """The pieces of a Markdown file. Raises SOURCE_UNREADABLE, SOURCE_LIMIT_EXCEEDED."""
    text, warnings = decode(data)
    fields, body, offset = _front_matter(text)
    reader = _Reader(offset)
    pieces = _with_pandoc_captions(reader.read(_parse(body)))
    return Reading(
        pieces=tuple(pieces),
        title=fields.get("title", ""),
        warnings=warnings,
        metadata=tuple(sorted(fields.items())),
    )


def _parse(body: str) -> SyntaxTreeNode:
    parser = MarkdownIt("commonmark", {"maxNesting": _PARSED_NESTING}).enable(["table", "strikethrough"])
    tokens = parser.parse(body)
    if any(token.level >= _NESTING for token in tokens):
        raise LaceError(Reason.SOURCE_LIMIT_EXCEEDED, "The text nests lists and quotes too deep.")
    return SyntaxTreeNode(tokens)


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
    return _FOOTNOTE_MARK.sub("", text)


def _spoken(nodes: Sequence[SyntaxTreeNode]) -> str:
    """What inline nodes say: link texts, alternative texts, code; marks and tags left out."""
    parts: list[str] = []
    for node in nodes:
        if node.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif node.type == "html_inline":
            parts.append(plain(node.content))
        elif node.children:
            parts.append(_spoken(node.children))
        else:
            parts.append(node.content if node.type in ("text", "code_inline") else "")
    return "".join(parts)
