"""From what a model proposes for a written section to verified actions that keep whatever they were not to touch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from lace_core import actions as act
from lace_core.canonical import canonical_json
from lace_core.contracts import (
    CurrentBlock,
    CurrentSentence,
    Enriched,
    Fact,
    InsertedBlock,
    Patched,
    RemovedBlock,
    ReplacedBlock,
    Written,
    WrittenBlock,
)
from lace_core.errors import Detail
from lace_core.ir import Block, Evidence, ListBlock, ListItem, Node, Row, Sentence, Table, cited_parts
from lace_core.planning import Grounds
from lace_core.verification.grounding import Verdict, verify
from lace_core.writing import SentenceVerdict, actions_of, block_of, parts_of

LAST = "end"


def own_grounds(node: Node, filenames: Mapping[str, str], first: int) -> list[Grounds]:
    """What a section cites, as facts named F<first>, …, in the order in which it cites them."""
    known = {evidence.evidence_id: evidence for evidence in node.evidence}
    order = dict.fromkeys(ident for block in node.blocks for ident in _cited(block) if ident in known)
    return [_grounds(known[ident], filenames, f"F{first + place}") for place, ident in enumerate(order)]


def _grounds(evidence: Evidence, filenames: Mapping[str, str], fact_id: str) -> Grounds:
    fact = Fact(
        fact_id=fact_id,
        kind="sentence",
        text=evidence.quote,
        source=filenames.get(evidence.source_id, evidence.source_id),
        heading_path=evidence.heading_path,
        page=evidence.page,
        unit=evidence.unit_id,
        position=evidence.start,
        score=0,
    )
    return Grounds(fact=fact, pieces=(evidence,))


def current_blocks(node: Node, grounds: Iterable[Grounds]) -> tuple[CurrentBlock, ...]:
    """A section's blocks as contracts name them; citations of facts that are not given are left out."""
    facts: dict[str, str] = {}
    for ground in grounds:
        for piece in ground.pieces:
            facts.setdefault(piece.evidence_id, ground.fact.fact_id)
    found = []
    for block in node.blocks:
        sentences = tuple(
            CurrentSentence(
                sentence_id=part.part_id,
                text=part.text,
                fact_ids=tuple(dict.fromkeys(facts[e] for e in part.evidence_ids if e in facts)),
            )
            for part in cited_parts(block)
        )
        kind = str(msgspec.to_builtins(block)["type"])
        found.append(CurrentBlock(block_id=block.block_id, kind=kind, sentences=sentences))
    return tuple(found)


def existing_texts(node: Node) -> tuple[str, ...]:
    """What a section says, piece by piece."""
    return tuple(part.text for block in node.blocks for part in cited_parts(block))


# -- writing anew and writing more ------------------------------------------------------------------------------------


def rewritten(node: Node, made: Sequence[act.Action], key: str) -> list[act.Action]:
    """The actions that put the new blocks in the place of the old ones; none where nothing new stands."""
    inserted = [action.block for action in made if isinstance(action, act.InsertBlock)]
    if not inserted or [_bare(block) for block in inserted] == [_bare(block) for block in node.blocks]:
        return []
    gone: list[act.Action] = [
        act.RemoveBlock(key=f"{key}/remove/{block.block_id}", block_id=block.block_id) for block in node.blocks
    ]
    summary: list[act.Action] = []
    if node.summary and not any(isinstance(action, act.SetSummary) for action in made):
        summary.append(act.SetSummary(key=f"{key}/summary", node_id=node.node_id, summary=""))
    return [*gone, *made, *summary]


def extended(node: Node, made: Sequence[act.Action]) -> list[act.Action]:
    """The actions that add to a section: a summary that is there stays."""
    return [action for action in made if not (isinstance(action, act.SetSummary) and node.summary)]


# -- further evidence -------------------------------------------------------------------------------------------------


def strange_citations(enriched: Enriched, node: Node) -> list[Detail]:
    """Sentences that are not of this section, each with its pointer."""
    known = {part.part_id for block in node.blocks for part in cited_parts(block)}
    return [
        Detail(f"/citations/{place}/sentence_id", f"OUT_OF_SCOPE: {citation.sentence_id} is no sentence of the section")
        for place, citation in enumerate(enriched.citations)
        if citation.sentence_id not in known
    ]


def offered_citations(enriched: Enriched, node: Node, grounds: Mapping[str, Grounds]) -> list[SentenceVerdict]:
    """A verdict on each proposed citation: it stands where the fact by itself states all that the sentence says."""
    texts = {part.part_id: part.text for block in node.blocks for part in cited_parts(block)}
    offered: list[SentenceVerdict] = []
    for citation in enriched.citations:
        text = texts[citation.sentence_id]
        for fact_id in dict.fromkeys(f for f in citation.fact_ids if f in grounds):
            judged = verify(text, [grounds[fact_id].fact.text])
            offered.append(
                SentenceVerdict(
                    sentence_id=f"{citation.sentence_id}/{fact_id}",
                    text=text,
                    fact_ids=(fact_id,),
                    verdict=judged.verdict.word,
                    reasons=judged.reasons,
                    layers=judged.layers,
                )
            )
    return offered


def further_evidence(
    offered: Sequence[SentenceVerdict], node: Node, grounds: Mapping[str, Grounds]
) -> dict[str, list[Evidence]]:
    """For each sentence the evidence to add, out of the citations that stand."""
    parts = {part.part_id: part for block in node.blocks for part in cited_parts(block)}
    found: dict[str, dict[str, Evidence]] = {}
    for verdict in offered:
        if not verdict.stands:
            continue
        part = parts[verdict.sentence_id.rpartition("/")[0]]
        pieces = [p for p in grounds[verdict.fact_ids[0]].pieces if p.evidence_id not in part.evidence_ids]
        exact = [p for p in pieces if verify(part.text, [p.quote]).verdict is Verdict.SUPPORTED]
        found.setdefault(part.part_id, {}).update({p.evidence_id: p for p in exact or pieces})
    return {part_id: list(pieces.values()) for part_id, pieces in found.items() if pieces}


def enriched_actions(node: Node, further: Mapping[str, Sequence[Evidence]], key: str) -> list[act.Action]:
    """The actions that add the citations to their sentences, and nothing else."""
    actions: list[act.Action] = []
    for block in node.blocks:
        more = {part.part_id: further[part.part_id] for part in cited_parts(block) if part.part_id in further}
        if not more:
            continue
        evidence = {piece.evidence_id: piece for pieces in more.values() for piece in pieces}
        known = {piece.evidence_id: piece for piece in node.evidence}
        cited = {ident: known[ident] for ident in _cited(block) if ident in known}
        actions.append(
            act.ReplaceBlock(
                key=f"{key}/cite/{block.block_id}",
                block_id=block.block_id,
                block=_citing(block, more),
                evidence=tuple({**cited, **evidence}.values()),
            )
        )
    return actions


def _citing(block: Block, more: Mapping[str, Sequence[Evidence]]) -> Block:
    def grown(part: Sentence | ListItem | Row, ident: str, inherited: tuple[str, ...] = ()) -> tuple[str, ...]:
        own = part.evidence_ids or inherited
        return (*own, *(e.evidence_id for e in more.get(ident, ()) if e.evidence_id not in own))

    replace = msgspec.structs.replace
    match block:
        case Table():
            rows = tuple(
                replace(row, evidence_ids=grown(row, row.row_id, block.evidence_ids)) if row.row_id in more else row
                for row in block.rows
            )
            return replace(block, rows=rows)
        case ListBlock():
            return replace(block, items=tuple(replace(i, evidence_ids=grown(i, i.item_id)) for i in block.items))
        case _ if hasattr(block, "sentences"):
            sentences = tuple(replace(s, evidence_ids=grown(s, s.sentence_id)) for s in block.sentences)
            return replace(block, sentences=sentences)
    own: tuple[str, ...] = getattr(block, "evidence_ids", ())
    added = (e.evidence_id for e in more[block.block_id] if e.evidence_id not in own)
    return replace(block, evidence_ids=(*own, *added))


# -- edits ------------------------------------------------------------------------------------------------------------


def strange_edits(patched: Patched, node: Node) -> list[Detail]:
    """Edits of blocks that are not of this section, or of one block twice, each with its pointer."""
    known = {block.block_id for block in node.blocks}
    seen: set[str] = set()
    found = []
    for place, edit in enumerate(patched.edits):
        member, block_id = (
            ("after_id", edit.after_id) if isinstance(edit, InsertedBlock) else ("block_id", edit.block_id)
        )
        at = f"/edits/{place}/{member}"
        if member == "after_id":
            if block_id not in ("", LAST) and block_id not in known:
                found.append(Detail(at, f"OUT_OF_SCOPE: {block_id} is no block of the section"))
        elif block_id not in known:
            found.append(Detail(at, f"OUT_OF_SCOPE: {block_id} is no block of the section"))
        elif block_id in seen:
            found.append(Detail(at, f"BLOCK_REPEATED: {block_id} is edited twice"))
        else:
            seen.add(block_id)
    return found


def edited_blocks(patched: Patched) -> tuple[WrittenBlock, ...]:
    """The blocks that the edits bring, in order: what is to be verified."""
    return tuple(edit.block for edit in patched.edits if not isinstance(edit, RemovedBlock))


def patched_actions(
    patched: Patched, verdicts: Sequence[SentenceVerdict], grounds: Mapping[str, Grounds], node: Node, key: str
) -> tuple[list[act.Action], int]:
    """The actions that the edits come to, and how many replacements were refused.

    A replacement of which not all stands would lose text to a failed check; the old block stays instead.
    """
    rest = iter(verdicts)
    actions: list[act.Action] = []
    refused = 0
    for place, edit in enumerate(patched.edits):
        own = f"{key}/edit/{place}"
        if isinstance(edit, RemovedBlock):
            actions.append(act.RemoveBlock(key=own, block_id=edit.block_id))
            continue
        judged = [next(rest) for _ in range(parts_of(edit.block))]
        made = block_of(edit.block, judged, grounds)
        whole = made is not None and all(verdict.stands for verdict in judged)
        if isinstance(edit, ReplacedBlock):
            if made is None or not whole:
                refused += 1
                continue
            block, evidence = made
            actions.append(act.ReplaceBlock(key=own, block_id=edit.block_id, block=block, evidence=tuple(evidence)))
        elif made is not None:
            block, evidence = made
            actions.append(
                act.InsertBlock(
                    key=own, node_id=node.node_id, block=block, after_id=edit.after_id,
                    evidence=tuple(evidence),
                )
            )  # fmt: skip
    return _insertions_first(actions), refused


def _insertions_first(actions: list[act.Action]) -> list[act.Action]:
    """Insertions first, in an order that keeps theirs: what they stand behind may be removed by the same edits."""
    inserts = [action for action in actions if isinstance(action, act.InsertBlock)]
    rest = [action for action in actions if not isinstance(action, act.InsertBlock)]
    last: dict[str, list[act.Action]] = {}
    for insert in inserts:
        last.setdefault(insert.after_id, []).append(insert)
    ordered: list[act.Action] = []
    for after_id, group in last.items():
        # Each goes directly behind the same block, so the last comes first; at the end they queue up by themselves.
        ordered.extend(group if after_id == LAST else reversed(group))
    return [*ordered, *rest]


def held_summary(summary: str, quotes: Sequence[str]) -> bool:
    """Whether what is left still states the summary."""
    return not summary or verify(summary, list(quotes)).verdict is Verdict.SUPPORTED


def added_blocks(
    blocks: Sequence[WrittenBlock],
    verdicts: Sequence[SentenceVerdict],
    grounds: Mapping[str, Grounds],
    node_id: str,
    key: str,
) -> list[act.Action]:
    """The actions that put the supported part of new blocks at a section's end; its summary and state stay."""
    made = actions_of(Written(blocks=tuple(blocks), summary=""), verdicts, grounds, node_id, key)
    return [action for action in made if isinstance(action, act.InsertBlock)]


def _cited(block: Block) -> list[str]:
    own: tuple[str, ...] = getattr(block, "evidence_ids", ())
    return list(dict.fromkeys([*own, *(e for part in cited_parts(block) for e in part.evidence_ids)]))


def _bare(block: Block) -> bytes:
    """A block's content without the ids that are made for it."""
    form = msgspec.to_builtins(block)
    for member, ident in (("sentences", "sentence_id"), ("items", "item_id"), ("rows", "row_id")):
        for part in form.get(member, ()):
            del part[ident]
    del form["block_id"]
    return canonical_json(form)
