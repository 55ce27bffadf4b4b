"""Blocks as they enter a document: ids derived, texts in NFC; and the old ids of parts that say what they said."""

from __future__ import annotations

import unicodedata
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

import msgspec

from lace_core.applying.results import Refused
from lace_core.constraints import FIELDS
from lace_core.ids import derive
from lace_core.ir import (
    Block,
    Callout,
    Code,
    Constraints,
    Equation,
    Figure,
    GlossaryTerm,
    ListBlock,
    Opaque,
    Paragraph,
    Quote,
    Table,
    cited_parts,
)
from lace_core.rejections import RejectionCode

_replace = msgspec.structs.replace


def nfc(text: str) -> str:
    """The text in Unicode normal form C, in which every text of a document is kept."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def nfc_constraints(constraints: Constraints) -> Constraints:
    """Text in them is compared with the document's, so it is normalised like that."""
    values = {name: getattr(constraints, name) for name in FIELDS}
    text = {name: nfc(value) for name, value in values.items() if isinstance(value, str)}
    texts = {name: tuple(map(_nfc_entry, value)) for name, value in values.items() if isinstance(value, tuple)}
    return _replace(constraints, **text, **texts)


def _nfc_entry(entry: str | GlossaryTerm) -> str | GlossaryTerm:
    if isinstance(entry, str):
        return nfc(entry)
    return GlossaryTerm(term=nfc(entry.term), definition=nfc(entry.definition), avoid=tuple(map(nfc, entry.avoid)))


def with_ids(block: Block, block_id: str, key: str) -> Block:
    """The block with every id derived and every text in NFC; code and opaque blocks keep their bytes.

    Raises Refused TABLE_RAGGED.
    """

    def part(index: int, prefix: str) -> str:
        return derive(prefix, block_id, key, str(index))

    match block:
        case Opaque() | Code():
            return _replace(block, block_id=block_id)
        case Paragraph() | Quote() | Callout():
            sentences = tuple(
                _replace(s, sentence_id=part(i, "sen"), text=nfc(s.text)) for i, s in enumerate(block.sentences)
            )
            return _replace(block, block_id=block_id, sentences=sentences)
        case ListBlock():
            items = tuple(
                _replace(item, item_id=part(i, "itm"), text=nfc(item.text)) for i, item in enumerate(block.items)
            )
            return _replace(block, block_id=block_id, items=items)
        case Table():
            return _table_with_ids(block, block_id, part)
        case Figure():
            return _replace(block, block_id=block_id, alt=nfc(block.alt), caption=nfc(block.caption))
        case Equation():
            return _replace(block, block_id=block_id, tex=nfc(block.tex))


def _table_with_ids(block: Table, block_id: str, part: Callable[[int, str], str]) -> Table:
    width = len(block.header)
    if any(len(row.cells) != width for row in block.rows):
        message = "Every row needs as many cells as the table has columns."
        raise Refused(RejectionCode.TABLE_RAGGED, "block", message)
    rows = tuple(
        _replace(row, row_id=part(i, "row"), cells=tuple(map(nfc, row.cells))) for i, row in enumerate(block.rows)
    )
    header = tuple(map(nfc, block.header))
    return _replace(block, block_id=block_id, rows=rows, header=header, caption=nfc(block.caption))


_PARTS = {"sentences": "sentence_id", "items": "item_id", "rows": "row_id"}


def with_known_ids(old: Block, block: Block) -> Block:
    """The block with its old ids for the parts that say what they said: who cites a sentence finds it again."""
    for member, ident in _PARTS.items():
        before, after = getattr(old, member, ()), getattr(block, member, ())
        if not before or not after:
            continue
        free: dict[Any, deque[Any]] = defaultdict(deque)
        for known in before:
            free[_said(known)].append(known)
        parts = []
        for part in after:
            same = free.get(_said(part))
            parts.append(_replace(part, **{ident: getattr(same.popleft(), ident)}) if same else part)
        if len({getattr(part, ident) for part in parts}) == len(parts):  # a key that was used before gave ids before
            block = _replace(block, **{member: tuple(parts)})
    return block


def _said(part: Any) -> Any:
    return getattr(part, "text", None) or getattr(part, "cells", None)


def content_of(block: Block) -> Block:
    """The block without any id: what it says."""
    for member, ident in _PARTS.items():
        parts = getattr(block, member, None)
        if parts:
            block = _replace(block, **{member: tuple(_replace(part, **{ident: ""}) for part in parts)})
    return _replace(block, block_id="")


def cited_ids(block: Block) -> set[str]:
    """The evidence that a block and its parts cite."""
    own = {evidence_id for part in cited_parts(block) for evidence_id in part.evidence_ids}
    return own | set(getattr(block, "evidence_ids", ()))


def words(block: Block) -> int:
    """How many words a block holds; of a kind that is not known, its JSON text."""
    if isinstance(block, Opaque):
        return len(block.raw.split())
    return sum(len(part.text.split()) for part in cited_parts(block))
