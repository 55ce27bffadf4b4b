"""Three ways of one block: its own members, and sentence by sentence, item by item, row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from lace_core.diff import paired
from lace_core.ids import derive
from lace_core.ir import Block, Callout, ListBlock, ListItem, Paragraph, Quote, Row, Sentence, Table, cited_parts
from lace_core.merging.conflicts import MISSING, Conflict, Decisions, fields_of, plain
from lace_core.merging.sequences import merge_order

Part = Sentence | ListItem | Row

_PARTS: Mapping[type, tuple[str, str, str]] = {  # the member that holds them, their id, and its prefix
    Paragraph: ("sentences", "sentence_id", "sen"),
    Quote: ("sentences", "sentence_id", "sen"),
    Callout: ("sentences", "sentence_id", "sen"),
    ListBlock: ("items", "item_id", "itm"),
    Table: ("rows", "row_id", "row"),
}
_KINDS: Mapping[str, type[Part]] = {"sen": Sentence, "itm": ListItem, "row": Row}


def merge_block(decisions: Decisions, node_id: str, base: Block | None, ours: Block, theirs: Block) -> Block:
    """The block after both sides; `base` is None where both made it. Sentences that were rewritten are paired."""
    if theirs in (ours, base):
        return ours
    if ours == base:
        return theirs
    if base is None or type(base) is not type(ours) or type(ours) is not type(theirs) or type(base) not in _PARTS:
        return _whole(decisions, node_id, base, ours, theirs)
    attempt = _BlockMerge(decisions, node_id, base, ours, theirs)
    found = attempt.merged()
    idents = [part.part_id for part in cited_parts(found)]
    if len(set(idents)) < len(idents):  # both sides used one id for two things
        return _whole(decisions, node_id, base, ours, theirs)
    return found


def _whole(decisions: Decisions, node_id: str, base: Block | None, ours: Block, theirs: Block) -> Block:
    conflict = Conflict(
        kind="content", subject="block", subject_id=ours.block_id, node_id=node_id, block_id=ours.block_id,
        base=plain(base), ours=plain(ours), theirs=plain(theirs),
    )  # fmt: skip
    return decisions.decide(conflict, ours, theirs)


class _BlockMerge:
    """Three blocks of one kind side by side. A part goes by its id before, whatever it was replaced by since."""

    def __init__(self, decisions: Decisions, node_id: str, base: Block, ours: Block, theirs: Block) -> None:
        self._decisions, self._node_id = decisions, node_id
        self._base, self._ours, self._theirs = base, ours, theirs
        self._member, self._ident, self._prefix = _PARTS[type(base)]
        self._kind: type[Part] = _KINDS[self._prefix]

    def merged(self) -> Block:
        before = {getattr(part, self._ident): part for part in getattr(self._base, self._member)}
        ours, theirs = self._slots(self._ours), self._slots(self._theirs)
        kept: dict[str, Part] = {}
        for slot in dict.fromkeys((*before, *ours, *theirs)):
            part = self._part(slot, before.get(slot), ours.get(slot), theirs.get(slot))
            if part is not None:
                kept[slot] = part
        order = ordered(
            self._decisions,
            (list(before), list(ours), list(theirs)),
            kept,
            lambda slot: self._conflict("place", slot, None, None, None),
        )
        return msgspec.structs.replace(
            self._ours, **{**self._members(), self._member: tuple(kept[slot] for slot in order)}
        )

    def _members(self) -> dict[str, Any]:
        """What the block has beside its parts."""
        found = {}
        for field in fields_of(type(self._base)):
            if field.name not in ("block_id", self._member):
                values = [getattr(side, field.name) for side in (self._base, self._ours, self._theirs)]
                found[field.name] = self._decisions.settle(
                    values[0], values[1], values[2], self._of_member(field.name, values), _converter(field.type)
                )
        return found

    def _of_member(self, name: str, values: Sequence[Any]) -> Callable[[], Conflict]:
        block_id = self._ours.block_id
        base, ours, theirs = map(msgspec.to_builtins, values)
        return lambda: Conflict(
            kind="field", subject="block", subject_id=block_id, node_id=self._node_id, block_id=block_id, field=name,
            base=base, ours=ours, theirs=theirs, takes_value=True,
        )  # fmt: skip

    def _slots(self, side: Block) -> dict[str, Part]:
        """A side's parts in its order, by the id that they had before, or their own where they are new."""
        old, new = list(cited_parts(self._base)), list(cited_parts(side))
        partner = paired(old, new)
        names = [old[partner[i]].part_id if i in partner else part.part_id for i, part in enumerate(new)]
        if len(set(names)) < len(names):  # a new part took the id of an old one
            names = [name if i in partner else f"{name}+" for i, name in enumerate(names)]
        return dict(zip(names, getattr(side, self._member), strict=True))

    def _part(self, slot: str, base: Part | None, ours: Part | None, theirs: Part | None) -> Part | None:
        if ours is None or theirs is None:
            kept = ours or theirs
            if base is None or kept is None:
                return kept
            if _said(kept) == _said(base):
                return None
            return self._decisions.decide(self._conflict("removal", slot, base, ours, theirs), ours, theirs)
        if theirs in (ours, base):
            return ours
        if ours == base:
            return theirs
        if _said(ours) == _said(theirs):
            return min(ours, theirs, key=lambda part: str(getattr(part, self._ident)))
        if base is not None and _said(base) in (_said(ours), _said(theirs)):
            return theirs if _said(ours) == _said(base) else ours
        return self._decisions.decide(self._conflict("content", slot, base, ours, theirs), ours, theirs, self._of_value)

    def _conflict(self, kind: Any, slot: str, base: Part | None, ours: Part | None, theirs: Part | None) -> Conflict:
        return Conflict(
            kind=kind, subject="sentence", subject_id=slot, node_id=self._node_id, block_id=self._ours.block_id,
            base=self._shown(base), ours=self._shown(ours), theirs=self._shown(theirs), takes_value=kind == "content",
        )  # fmt: skip

    def _shown(self, part: Part | None) -> Any:
        return plain(part or MISSING)

    def _of_value(self, value: Any) -> Part:
        """A part as it is to be: text (of a row, cells) and evidence_ids; its id is made of what it says."""
        form = {**value, self._ident: ""} if isinstance(value, dict) else value
        part: Part = msgspec.convert(form, self._kind)
        if isinstance(part, Row) and isinstance(self._ours, Table) and len(part.cells) != len(self._ours.header):
            raise ValueError("a row has as many cells as the table has columns")
        ident = derive(self._prefix, self._ours.block_id, "merge", repr(_said(part)))
        return msgspec.structs.replace(part, **{self._ident: ident})


def ordered(
    decisions: Decisions,
    sides: tuple[Sequence[str], Sequence[str], Sequence[str]],
    members: Mapping[str, Any],
    conflict: Callable[[str], Conflict],
) -> list[str]:
    """The merged order of the members; what both sides put at different places is a conflict."""
    found, contested = merge_order(*sides, members)
    as_theirs = {ident for ident in contested if decisions.decide(_placed(conflict(ident), ident, sides), False, True)}
    return merge_order(*sides, members, as_theirs)[0] if as_theirs else found


def _placed(conflict: Conflict, ident: str, sides: tuple[Sequence[str], ...]) -> Conflict:
    """Tells behind what each side has it."""
    behind = [side[side.index(ident) - 1] if ident in side[1:] else "" for side in sides]
    told = [{"after_id": at} if ident in side else None for at, side in zip(behind, sides, strict=True)]
    return replace(conflict, base=told[0], ours=told[1], theirs=told[2])


def _said(part: Part) -> tuple[Any, tuple[str, ...]]:
    return (part.cells if isinstance(part, Row) else part.text), part.evidence_ids


def _converter(kind: Any) -> Callable[[Any], Any]:
    return lambda value: msgspec.convert(value, kind)
