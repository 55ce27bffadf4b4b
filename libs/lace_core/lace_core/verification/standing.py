"""By what right each citable piece of a document stands: nothing is kept as content for which there is none.

A piece stands where it stood before in the same words over the same quotes, where its quotes support it, where a person
accepted what could not be decided, or where a person wrote it without evidence in a section that asks for none. What a
caller says of a new piece is not taken at its word: its quotes are looked at again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from lace_core.canonical import sha256_hex
from lace_core.constraints import resolve_chain
from lace_core.ir import Artifact, Cited, Evidence, Node, cited_parts
from lace_core.verification.grounding import verify
from lace_core.verification.verdicts import Acceptance, Judged, LayerVerdict, Verdict
from lace_core.verification.wording import normalise

VERIFIED, ACCEPTED, AUTHORED = "verified", "accepted", "authored"


class Given(Protocol):
    """What is said of a sentence by who asks to keep it."""

    @property
    def text(self) -> str:
        """The sentence."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """The layers' findings in one line each, the telling one last."""

    @property
    def layers(self) -> tuple[LayerVerdict, ...]:
        """What each layer found of it."""

    @property
    def acceptance(self) -> Acceptance | None:
        """The decision of a person that it stands."""

    @property
    def stands(self) -> bool:
        """Whether it may stand."""


@dataclass(frozen=True)
class Piece:
    """A citable piece of a document with its quotes; `grounds` names these very words over these very quotes."""

    node_id: str
    part: Cited
    quotes: tuple[str, ...]
    grounds: str
    must_cite: bool


@dataclass(frozen=True)
class Standing:
    """The right by which a piece stands: verified, accepted or authored, with what was found of it."""

    piece: Piece
    right: str
    verdict: str
    reasons: tuple[str, ...]
    layers: tuple[LayerVerdict, ...]
    acceptance: Acceptance | None = None


@dataclass(frozen=True)
class Missing:
    """A piece that may not stand, and why."""

    piece: Piece
    reason: str

    @property
    def pointer(self) -> str:
        """Leads to it by ids."""
        part = self.piece.part
        return f"/nodes/{self.piece.node_id}/blocks/{part.block_id}/{part.part_id}"


def quotes_of(evidence: Iterable[Evidence]) -> tuple[str, ...]:
    """The quotes to hold a sentence against: lines of one table are one quote, as a row says nothing without its heads.

    Otherwise each span by itself, in the order in which they are cited.
    """
    tables: dict[str, list[Evidence]] = {}
    found: dict[str, str] = {}
    for piece in evidence:
        if " | " in piece.quote:
            tables.setdefault(piece.unit_id, []).append(piece)
            found.setdefault(piece.unit_id, "")
        else:
            found[piece.evidence_id] = piece.quote
    for unit_id, lines in tables.items():
        found[unit_id] = "\n".join(line.quote for line in sorted(lines, key=lambda line: line.start))
    return tuple(found.values())


def grounds_of(text: str, quotes: Sequence[str]) -> str:
    """Names a text over quotes: the SHA-256 of both as a JSON array."""
    return sha256_hex(msgspec.json.encode((text, *quotes)))


def pieces_of(document: Artifact) -> Iterator[Piece]:
    """Every citable piece that says something, in document order."""
    chain: list[Node] = []
    for depth, node in document.walk():
        chain[depth:] = [node]
        known = {evidence.evidence_id: evidence for evidence in node.evidence}
        must_cite = bool(resolve_chain(chain)[0].must_cite)
        for block in node.blocks:
            for part in cited_parts(block):
                if part.text.strip():
                    quotes = quotes_of(known[ident] for ident in part.evidence_ids if ident in known)
                    yield Piece(node.node_id, part, quotes, grounds_of(part.text, quotes), must_cite)


def settle(
    pieces: Sequence[Piece], given: Iterable[tuple[str, Given]], known: Collection[str], *, by_person: bool
) -> tuple[list[Standing], list[Missing]]:
    """The right of every piece that did not stand before, and those that have none.

    `given` are (node id, what is said of a sentence), `known` the grounds of what stood in committed revisions.
    """
    said: dict[tuple[str, str], Given] = {}
    for node_id, own in given:
        key = (node_id, own.text)
        if key not in said or own.stands:
            said[key] = own
    standing: list[Standing] = []
    missing: list[Missing] = []
    for piece in pieces:
        if piece.grounds in known:
            continue
        found = _right_of(piece, said, by_person)
        if isinstance(found, Standing):
            standing.append(found)
        else:
            missing.append(found)
    return standing, missing


def _right_of(piece: Piece, said: Mapping[tuple[str, str], Given], by_person: bool) -> Standing | Missing:
    if not piece.quotes:
        return _authored(piece) if by_person and not piece.must_cite else Missing(piece, "It cites nothing.")
    own = said.get((piece.node_id, piece.part.text))
    is_carried = _is_carried(piece)
    if own is not None and not own.stands and not is_carried:
        return Missing(piece, "It was kept out.")
    judged = verify(piece.part.text, piece.quotes)
    if own is not None and own.acceptance is not None and judged.verdict >= Verdict.PARTIALLY:
        # What rules support and a judge doubted stands by the person's word, not by theirs.
        layers = (*judged.layers, *_judges(own))
        return Standing(piece, ACCEPTED, Verdict.PARTIALLY.word, own.reasons, layers, own.acceptance)
    if judged.verdict is Verdict.SUPPORTED or is_carried:
        return _verified(piece, judged, own)
    return Missing(piece, f"Its evidence does not support it ({judged.reasons[-1]}).")


def _authored(piece: Piece) -> Standing:
    judged = verify(piece.part.text, ())
    return Standing(piece, AUTHORED, judged.verdict.word, judged.reasons, judged.layers)


def _verified(piece: Piece, judged: Judged, own: Given | None) -> Standing:
    """What the rules find over the piece's own quotes, and what a judge said of it."""
    heard = tuple(reason for reason in own.reasons if reason.startswith("judge: ")) if own else ()
    layers, reasons = judged.layers, judged.reasons
    if judged.verdict is not Verdict.SUPPORTED:
        carried = LayerVerdict(layer="quote", verdict=Verdict.SUPPORTED.word, finding="carried over as it is")
        layers, reasons = (carried,), (carried.told,)
    return Standing(piece, VERIFIED, Verdict.SUPPORTED.word, (*reasons, *heard), (*layers, *_judges(own)))


def _judges(own: Given | None) -> tuple[LayerVerdict, ...]:
    return tuple(layer for layer in own.layers if layer.layer == "judge") if own else ()


def _is_carried(piece: Piece) -> bool:
    """Whether it is a quote, or all of them in order, to the letter: what is carried over need be no sentence."""
    text = normalise(piece.part.text)
    return text in (normalise(quote) for quote in piece.quotes) or text == normalise("\n".join(piece.quotes))
