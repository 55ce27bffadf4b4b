"""From a model's written section to verified actions: unknown facts refused, unsupported sentences kept out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from lace_core import actions as act
from lace_core.canonical import sha256_hex
from lace_core.contracts import (
    Carried,
    Written,
    WrittenBlock,
    WrittenParagraph,
    WrittenSentence,
)
from lace_core.ids import derive
from lace_core.ir import Block, Code, Evidence, ListBlock, ListItem, NodeState, Paragraph, Quote, Row, Sentence, Table
from lace_core.planning import Grounds
from lace_core.verification.grounding import Verdict, verify
from lace_core.verification.standing import quotes_of
from lace_core.verification.verdicts import Acceptance, LayerVerdict


class SentenceVerdict(Struct, frozen=True, kw_only=True):
    """What was found of one written sentence; `sentence_id` is provisional and holds within its section."""

    sentence_id: str
    text: str
    fact_ids: tuple[str, ...]
    verdict: str
    reasons: tuple[str, ...]
    layers: tuple[LayerVerdict, ...] = ()
    acceptance: Acceptance | None = None

    @property
    def stands(self) -> bool:
        """Whether the sentence may stand in the document: its evidence says so, or a person decided it."""
        return self.verdict == Verdict.SUPPORTED.word or self.acceptance is not None


def unknown_facts(written: Written, grounds: Mapping[str, Grounds]) -> list[tuple[str, str]]:
    """(JSON Pointer, fact id) of every reference to a fact that was not allowed."""
    found: list[tuple[str, str]] = []
    for index, block in enumerate(written.blocks):
        if isinstance(block, Carried):
            if block.fact_id not in grounds or grounds[block.fact_id].fact.kind == "sentence":
                found.append((f"/blocks/{index}/fact_id", block.fact_id))
            continue
        member = "sentences" if isinstance(block, WrittenParagraph) else "items"
        for place, sentence in enumerate(_sentences(block)):
            found.extend(
                (f"/blocks/{index}/{member}/{place}/fact_ids", fact_id)
                for fact_id in sentence.fact_ids
                if fact_id not in grounds
            )
    return found


def check(written: Written, grounds: Mapping[str, Grounds], node_id: str) -> list[SentenceVerdict]:
    """The deterministic verdict on every sentence and list item, in order; carried blocks need none."""
    verdicts: list[SentenceVerdict] = []
    for index, sentence in enumerate(_all_sentences(written)):
        judged = verify(sentence.text, [_quote(grounds[fact_id]) for fact_id in sentence.fact_ids])
        verdicts.append(
            SentenceVerdict(
                sentence_id=derive("sen", node_id, str(index), sentence.text),
                text=sentence.text,
                fact_ids=sentence.fact_ids,
                verdict=judged.verdict.word,
                reasons=judged.reasons,
                layers=judged.layers,
            )
        )
    return verdicts


def actions_of(
    written: Written,
    verdicts: Sequence[SentenceVerdict],
    grounds: Mapping[str, Grounds],
    node_id: str,
    key: str,
) -> list[act.Action]:
    """The actions that put the supported part of a section into its node; `key` is the prefix of their keys."""
    actions: list[act.Action] = []
    rest = iter(verdicts)
    for index, written_block in enumerate(written.blocks):
        made = block_of(written_block, [next(rest) for _ in range(parts_of(written_block))], grounds)
        if made is not None:
            block, evidence = made
            actions.append(
                act.InsertBlock(key=f"{key}/block/{index}", node_id=node_id, block=block, evidence=tuple(evidence))
            )
    if actions:
        if _is_supported(written.summary, verdicts, grounds):
            actions.append(act.SetSummary(key=f"{key}/summary", node_id=node_id, summary=written.summary))
        actions.append(act.SetNodeState(key=f"{key}/state", node_id=node_id, state=NodeState.DRAFT))
    return actions


def parts_of(block: WrittenBlock) -> int:
    """How many verdicts a block has: one for each sentence or item, none for what is carried."""
    return len(_sentences(block))


def block_of(
    block: WrittenBlock, verdicts: Sequence[SentenceVerdict], grounds: Mapping[str, Grounds]
) -> tuple[Block, list[Evidence]] | None:
    """The supported part of a written block with what it cites; None where nothing of it stands."""
    if isinstance(block, Carried):
        return _carried(grounds[block.fact_id], block.caption)
    return _prose(block, verdicts, grounds)


def _is_supported(summary: str, verdicts: Sequence[SentenceVerdict], grounds: Mapping[str, Grounds]) -> bool:
    """Whether the summary is held by what the section's standing sentences cite: it is shown like they are."""
    if any(v.stands and v.text == summary for v in verdicts):
        return True
    cited = dict.fromkeys(fact_id for v in verdicts if v.stands for fact_id in v.fact_ids)
    return verify(summary, [_quote(grounds[fact_id]) for fact_id in cited]).verdict is Verdict.SUPPORTED


def _quote(grounds: Grounds) -> str:
    return grounds.fact.text


def _sentences(block: object) -> tuple[WrittenSentence, ...]:
    if isinstance(block, WrittenParagraph):
        return block.sentences
    return getattr(block, "items", ())


def _all_sentences(written: Written) -> list[WrittenSentence]:
    return [sentence for block in written.blocks for sentence in _sentences(block)]


def _cited(verdict: SentenceVerdict, grounds: Mapping[str, Grounds]) -> list[Evidence]:
    """The spans that a sentence rests on: of a list or table those pieces that say it by themselves, else all of it."""
    found: dict[str, Evidence] = {}
    for fact_id in verdict.fact_ids:
        for piece in _pieces_for(verdict.text, grounds[fact_id]):
            found[piece.evidence_id] = piece
    return list(found.values())


def _pieces_for(text: str, grounds: Grounds) -> Sequence[Evidence]:
    fact, pieces = grounds.fact, grounds.pieces
    if fact.kind not in ("list", "table") or not pieces or pieces[0].quote == fact.text:
        return pieces
    head = " | ".join(fact.table.header) if fact.table and any(fact.table.header) else ""
    above = [_span(pieces[0], fact.text, len(head))] if head and fact.text.startswith(f"{head}\n") else []
    exact = [p for p in pieces if verify(text, quotes_of((*above, p))).verdict is Verdict.SUPPORTED]
    return [*above, *exact] if exact else [_span(pieces[0], fact.text, len(fact.text))]


def _span(piece: Evidence, text: str, end: int) -> Evidence:
    """What stands at the beginning of a piece's unit: the heads of a table, or all of it."""
    place = (piece.source_id, piece.source_version, piece.extraction, piece.unit_id, "0", str(end))
    quote = text[:end]
    return msgspec.structs.replace(
        piece,
        evidence_id=derive("evd", *place),
        start=0,
        end=end,
        quote=quote,
        quote_hash=sha256_hex(quote.encode()),
    )


def _prose(
    block: object, verdicts: Sequence[SentenceVerdict], grounds: Mapping[str, Grounds]
) -> tuple[Block, list[Evidence]] | None:
    standing = [(verdict, _cited(verdict, grounds)) for verdict in verdicts if verdict.stands]
    if not standing:
        return None
    evidence = [piece for _, pieces in standing for piece in pieces]
    if isinstance(block, WrittenParagraph):
        sentences = tuple(
            Sentence(sentence_id="", text=v.text, evidence_ids=tuple(p.evidence_id for p in pieces))
            for v, pieces in standing
        )
        return Paragraph(block_id="", sentences=sentences), evidence
    items = tuple(
        ListItem(item_id="", text=v.text, evidence_ids=tuple(p.evidence_id for p in pieces)) for v, pieces in standing
    )
    return ListBlock(block_id="", items=items, ordered=bool(getattr(block, "ordered", False))), evidence


def _carried(grounds: Grounds, caption: str) -> tuple[Block, list[Evidence]]:
    fact, pieces = grounds.fact, grounds.pieces
    ids = tuple(piece.evidence_id for piece in pieces)
    block: Block
    if fact.kind == "table" and fact.table is not None:
        # the pieces are the rows; a header line, where the extraction counts it, comes before them
        offset = max(0, len(pieces) - len(fact.table.rows))
        rows = tuple(
            Row(row_id="", cells=cells, evidence_ids=ids[offset + i : offset + i + 1] or ids)
            for i, cells in enumerate(fact.table.rows)
        )
        head = ids[:offset] or ids[:1]
        block = Table(
            block_id="", header=fact.table.header, rows=rows, caption=caption or fact.table.caption, evidence_ids=head
        )
    elif fact.kind == "list" and fact.items:
        items = tuple(
            ListItem(item_id="", text=text, evidence_ids=ids[i : i + 1] or ids) for i, text in enumerate(fact.items)
        )
        block = ListBlock(block_id="", items=items)
    elif fact.kind == "code":
        block = Code(block_id="", text=fact.text, language=grounds.language, evidence_ids=ids)
    else:
        block = Quote(block_id="", sentences=(Sentence(sentence_id="", text=fact.text, evidence_ids=ids),))
    return block, list(pieces)
