"""Citation recall and precision of a document, as ALCE defines them (Gao et al. 2023, arXiv:2305.14627, section 3).

Their entailment model is left out: what entails a sentence is the built-in verifier, so the figures are not theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from lace_core.evaluation.rates import Rate, rate_of
from lace_core.ir import Artifact
from lace_core.verification.grounding import supports, verify
from lace_core.verification.standing import Piece, pieces_of
from lace_core.verification.wording import normalise


class PieceMeasure(Struct, frozen=True, kw_only=True):
    """A citable piece of a document: whether all its citations together carry it, and how many of them it needs."""

    node_id: str
    part_id: str
    is_carried: bool
    citations: int
    precise: int
    verdict: str
    finding: str


class SectionMeasure(Struct, frozen=True, kw_only=True):
    """The pieces of a section, or of the whole document where `node_id` is empty.

    `recall` is over all pieces, `precision` over all citations; a piece without citations is not recalled.
    """

    node_id: str
    title: str
    pieces: int
    uncited: int
    recall: Rate
    precision: Rate


class CitationReport(Struct, frozen=True, kw_only=True):
    """The whole document, each section with text of its own in document order, and the pieces that fall short."""

    whole: SectionMeasure
    sections: tuple[SectionMeasure, ...]
    failures: tuple[PieceMeasure, ...]


def measure(document: Artifact) -> CitationReport:
    """The report on a document's sentences, list items, rows and other citable pieces."""
    pieces = [measure_piece(piece) for piece in pieces_of(document)]
    sections = [
        _section(node.node_id, node.title, own)
        for _, node in document.walk()
        if (own := [piece for piece in pieces if piece.node_id == node.node_id])
    ]
    failures = (piece for piece in pieces if not piece.is_carried or piece.precise < piece.citations)
    return CitationReport(
        whole=_section("", document.title, pieces), sections=tuple(sections), failures=tuple(failures)
    )


def measure_piece(piece: Piece) -> PieceMeasure:
    """A citation is precise where the whole is carried, and it alone carries the piece or the others do not."""
    text, quotes = piece.part.text, piece.quotes
    judged = verify(text, quotes)
    is_carried = _carries(text, quotes)
    precise = sum(_is_precise(text, quotes, index) for index in range(len(quotes))) if is_carried else 0
    return PieceMeasure(
        node_id=piece.node_id,
        part_id=piece.part.part_id,
        is_carried=is_carried,
        citations=len(quotes),
        precise=precise,
        verdict=judged.verdict.word,
        finding=judged.reasons[-1] if judged.reasons else "",
    )


def _is_precise(text: str, quotes: Sequence[str], index: int) -> bool:
    if len(quotes) == 1:
        return True
    return _carries(text, quotes[index : index + 1]) or not _carries(text, (*quotes[:index], *quotes[index + 1 :]))


def _carries(text: str, quotes: Sequence[str]) -> bool:
    """Whether quotes support a text, or are what was carried over to the letter, which need be no sentence."""
    if not quotes:
        return False
    own = normalise(text)
    return own == normalise("\n".join(quotes)) or own in map(normalise, quotes) or supports(text, quotes)


def _section(node_id: str, title: str, pieces: Iterable[PieceMeasure]) -> SectionMeasure:
    own = list(pieces)
    return SectionMeasure(
        node_id=node_id,
        title=title,
        pieces=len(own),
        uncited=sum(not piece.citations for piece in own),
        recall=rate_of(sum(piece.is_carried for piece in own), len(own)),
        precision=rate_of(sum(piece.precise for piece in own), sum(piece.citations for piece in own)),
    )
