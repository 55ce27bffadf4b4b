"""What a DOCX file holds beside its text: running heads, comments, strikings, pictures; told, but kept out of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lxml import etree

from lace_ingest.adapters.reading.extractors.docx.body import BodyReader
from lace_ingest.adapters.reading.extractors.docx.names import tag
from lace_ingest.adapters.reading.extractors.docx.package import Package
from lace_ingest.adapters.reading.extractors.docx.runs import read_paragraph
from lace_ingest.domain.documents import WHOLE
from lace_ingest.domain.extraction_warnings import ExtractionWarning, WarningCode
from lace_ingest.domain.reading.pieces import Grid, Heading, Piece

_MOST_PARTS = 20
_MOSTLY_PICTURES = WHOLE // 2


def running_text(package: Package, folder: str) -> str:
    """The wordings of running heads and feet, each once."""
    names = [f"{folder}/{kind}{at}.xml" for kind in ("header", "footer") for at in range(1, _MOST_PARTS + 1)]
    trees = [package.tree(name) for name in names if package.has(name)]
    texts = [" ".join(read_paragraph(paragraph).plain.split()) for tree in trees for paragraph in _paragraphs(tree)]
    return "; ".join(dict.fromkeys(text for text in texts if text))


def _paragraphs(tree: etree._Element | None) -> Iterator[etree._Element]:
    return (element for element in (tree.iter() if tree is not None else ()) if tag(element) == "w:p")


def extractability_of(pieces: Sequence[Piece], pictures: int) -> int:
    """The share of what the body shows that is text, per mille: its pieces (rows, for a table) beside its pictures."""
    told = sum(len(piece.rows) if isinstance(piece, Grid) else 1 for piece in pieces if not isinstance(piece, Heading))
    return WHOLE * told // (told + pictures) if told + pictures else WHOLE


def warnings_of(package: Package, folder: str, reader: BodyReader) -> tuple[ExtractionWarning, ...]:
    """What a person should know of what was left out."""
    tree = package.tree(f"{folder}/comments.xml")
    comments = sum(1 for element in (tree if tree is not None else ()) if tag(element) == "w:comment")
    found = (
        (WarningCode.COMMENTS_LEFT_OUT, "Comments are no part of the text and were left out", comments),
        (WarningCode.DELETIONS_LEFT_OUT, "Passages that are struck out were left out", reader.deletions),
        (WarningCode.PICTURES_LEFT_OUT, "Most of the document is pictures, whose text is not read", _flood(reader)),
    )
    return tuple(ExtractionWarning(code, f"{words}: {count}.", count=count) for code, words, count in found if count)


def _flood(reader: BodyReader) -> int:
    """The number of pictures where they outweigh the text."""
    return reader.pictures if extractability_of(reader.pieces, reader.pictures) < _MOSTLY_PICTURES else 0
