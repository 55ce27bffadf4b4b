"""Sentences that could not be decided: where they would stand, and the action that puts one there after all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from lace_core import actions as act
from lace_core.contracts import InsertedBlock, Patched, RemovedBlock, ReplacedBlock, WrittenBlock, WrittenParagraph
from lace_core.ids import derive
from lace_core.ir import (
    Artifact,
    Block,
    Callout,
    Evidence,
    ListBlock,
    ListItem,
    Node,
    Paragraph,
    Quote,
    Sentence,
    Source,
    cited_parts,
)
from lace_core.planning import Grounds
from lace_core.verification.verdicts import Verdict
from lace_core.writing import SentenceVerdict, parts_of


class Place(Struct, frozen=True, kw_only=True):
    """Where a sentence would stand: in its block, or where that is not there in one that is made.

    `form` is paragraph, list or ordered_list; `key` the key of the action that makes the block; `blocks` the blocks
    that were written together with it, in order; `otherwise` what a new block stands behind where none of them is
    there ("" first, "end" last); `preceding` what was written before the sentence in its block.
    """

    node_id: str
    block_id: str
    form: str
    key: str
    blocks: tuple[str, ...]
    otherwise: str = act.LAST
    preceding: tuple[str, ...] = ()


class Withheld(Struct, frozen=True, kw_only=True):
    """A written sentence that is neither supported nor refuted, with what it cites and where it would stand."""

    verdict: SentenceVerdict
    evidence: tuple[Evidence, ...]
    place: Place


def places_of_blocks(artifact_id: str, node_id: str, blocks: Sequence[WrittenBlock], key: str) -> tuple[Place, ...]:
    """The places of blocks that are inserted under keys with this prefix (see writing.actions_of)."""
    keys = [f"{key}/block/{index}" for index in range(len(blocks))]
    ids = tuple(derive("blk", artifact_id, own) for own in keys)
    return tuple(
        Place(node_id=node_id, block_id=block_id, form=_form(block), key=own, blocks=ids)
        for block, own, block_id in zip(blocks, keys, ids, strict=True)
    )


def places_of_edits(artifact_id: str, node_id: str, patched: Patched, key: str) -> tuple[Place, ...]:
    """The places of the blocks that edits bring (see revising.patched_actions).

    What a refused replacement said comes into the block that it was to replace, which stayed.
    """
    found: list[Place] = []
    for index, edit in enumerate(patched.edits):
        own = f"{key}/edit/{index}"
        match edit:
            case ReplacedBlock():
                block_id, otherwise = edit.block_id, act.LAST
            case InsertedBlock():
                block_id, otherwise = derive("blk", artifact_id, own), edit.after_id
            case RemovedBlock():
                continue
        found.append(
            Place(
                node_id=node_id, block_id=block_id, form=_form(edit.block), key=own, blocks=(block_id,),
                otherwise=otherwise,
            )
        )  # fmt: skip
    return tuple(found)


def withheld(
    blocks: Sequence[WrittenBlock],
    places: Sequence[Place],
    verdicts: Sequence[SentenceVerdict],
    grounds: Mapping[str, Grounds],
) -> tuple[Withheld, ...]:
    """The sentences of these blocks that could not be decided; `verdicts` are those on all their sentences in order."""
    rest = iter(verdicts)
    found: list[Withheld] = []
    for block, place in zip(blocks, places, strict=True):
        judged = [next(rest) for _ in range(parts_of(block))]
        for index, verdict in enumerate(judged):
            if verdict.verdict == Verdict.PARTIALLY.word:
                before = tuple(earlier.text for earlier in judged[:index])
                own = msgspec.structs.replace(place, preceding=before)
                found.append(Withheld(verdict=verdict, evidence=_pieces(verdict, grounds), place=own))
    return tuple(found)


def restored(document: Artifact, place: Place, text: str, evidence: Sequence[Evidence], key: str) -> act.Action:
    """The action that puts a sentence at its place; raises LookupError where the place is gone."""
    ids = tuple(dict.fromkeys(piece.evidence_id for piece in evidence))
    block = next((b for node in document.nodes for b in node.blocks if b.block_id == place.block_id), None)
    if block is not None:
        grown = _grown(block, place.preceding, text, ids)
        return act.ReplaceBlock(key=key, block_id=place.block_id, block=grown, evidence=tuple(evidence))
    node = document.node(place.node_id)
    return act.InsertBlock(
        key=place.key,
        node_id=node.node_id,
        block=_alone(place.form, text, ids),
        after_id=_behind(node, place),
        evidence=tuple(evidence),
    )


def with_sources(document: Artifact, evidence: Iterable[Evidence], offered: Iterable[Source]) -> Artifact:
    """The document with those of the offered sources added that the evidence needs and that it does not cite yet."""
    known = {source.source_id for source in document.sources}
    needed = {piece.source_id for piece in evidence} - known
    more = {source.source_id: source for source in offered if source.source_id in needed}
    return msgspec.structs.replace(document, sources=(*document.sources, *more.values())) if more else document


def _pieces(verdict: SentenceVerdict, grounds: Mapping[str, Grounds]) -> tuple[Evidence, ...]:
    pieces = (piece for fact_id in verdict.fact_ids for piece in grounds[fact_id].pieces)
    return tuple({piece.evidence_id: piece for piece in pieces}.values())


def _form(block: WrittenBlock) -> str:
    if isinstance(block, WrittenParagraph):
        return "paragraph"
    return "ordered_list" if getattr(block, "ordered", False) else "list"


def _alone(form: str, text: str, evidence_ids: tuple[str, ...]) -> Block:
    if form == "paragraph":
        return Paragraph(block_id="", sentences=(Sentence(sentence_id="", text=text, evidence_ids=evidence_ids),))
    items = (ListItem(item_id="", text=text, evidence_ids=evidence_ids),)
    return ListBlock(block_id="", items=items, ordered=form == "ordered_list")


def _grown(block: Block, preceding: Sequence[str], text: str, evidence_ids: tuple[str, ...]) -> Block:
    """The block with the sentence behind the last of those that were written before it."""
    before = set(preceding)
    at = max((i + 1 for i, part in enumerate(cited_parts(block)) if part.text in before), default=0)
    match block:
        case Paragraph() | Quote() | Callout():
            sentence = Sentence(sentence_id="", text=text, evidence_ids=evidence_ids)
            own = block.sentences
            return msgspec.structs.replace(block, sentences=(*own[:at], sentence, *own[at:]))
        case ListBlock():
            item = ListItem(item_id="", text=text, evidence_ids=evidence_ids)
            return msgspec.structs.replace(block, items=(*block.items[:at], item, *block.items[at:]))
        case _:
            raise LookupError(f"{block.block_id} holds no sentences")


def _behind(node: Node, place: Place) -> str:
    """What a new block stands behind: next to those that it was written with, as far as they are there."""
    there = [block.block_id for block in node.blocks]
    at = place.blocks.index(place.block_id)
    for earlier in reversed(place.blocks[:at]):
        if earlier in there:
            return earlier
    for later in place.blocks[at + 1 :]:
        if later in there:
            index = there.index(later)
            return there[index - 1] if index else ""
    return place.otherwise if place.otherwise in ("", *there) else act.LAST
