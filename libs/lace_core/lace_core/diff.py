"""What differs between two revisions of a document: by source, node, block and sentence, in document order.

Ids say what is the same thing; equal subtree hashes say that nothing below differs, so that a small change in a large
document costs its path. A block that was replaced has new sentence ids: there, equal texts say what stayed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec

from lace_core.apply import Change
from lace_core.canonical import canonical_json, sha256_hex
from lace_core.index import Index, index_of, loose_index
from lace_core.ir import Artifact, Block, Cited, Node, Opaque, Source, cited_parts
from lace_core.merkle import block_hash, ir_hash, node_hash, subtree_hashes

Subject = Literal["document", "source", "node", "block", "sentence"]
How = Literal["added", "removed", "changed", "moved"]
T = TypeVar("T")

_OWN_FIELDS = ("title", "brief", "summary", "state", "constraints")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that differs; hashes and texts are empty on the side where it is not.

    `subject_id` of a sentence that got a new id is the new one; list items, table rows and blocks that are cited as a
    whole count as sentences. What was changed and moved is there twice. `fields` names what a change is in.
    """

    subject: Subject
    change: How
    subject_id: str
    node_id: str = ""
    block_id: str = ""
    before_hash: str = ""
    after_hash: str = ""
    before_text: str = ""
    after_text: str = ""
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diff:
    """From one document to another: their Merkle roots, and every difference."""

    before_hash: str
    after_hash: str
    differences: tuple[Difference, ...]

    def counts(self) -> dict[str, int]:
        """How many differences there are by subject and change, as "sentence.added", sorted."""
        return dict(sorted(Counter(f"{d.subject}.{d.change}" for d in self.differences).items()))


def diff(before: Artifact, after: Artifact) -> Diff:
    """The differences from `before` to `after`, both trees; a pure function. Equal documents have none."""
    old, new = ir_hash(before), ir_hash(after)
    return Diff(old, new, () if old == new else tuple(_Comparison(before, after).differences()))


def changes(found: Diff, action_key: str) -> tuple[Change, ...]:
    """The differences of nodes and blocks as the change events of a revision."""
    return tuple(
        Change(d.subject_id, "replaced" if d.change == "changed" else d.change, d.before_hash, d.after_hash, action_key)
        for d in found.differences
        if d.subject in ("node", "block")
    )


class _Comparison:
    """Two documents side by side, with what is looked up by id."""

    def __init__(self, before: Artifact, after: Artifact) -> None:
        self._before, self._after = before, after
        old, new = index_of(before) or loose_index(before), index_of(after) or loose_index(after)
        self._old_nodes, self._new_nodes = old.nodes, new.nodes
        old_trees, new_trees = subtree_hashes(before), subtree_hashes(after)
        self._old_differ = _differing(old, old_trees, new_trees, new.nodes)
        self._new_differ = _differing(new, new_trees, old_trees, old.nodes)
        self._old_places = _places(self._old_differ)
        self._new_places = _places(self._new_differ)

    def differences(self) -> Iterator[Difference]:
        """In the order of the document after; what is gone comes last, in the order of the one before."""
        yield from self._document()
        yield from self._sources()
        for node, is_equal in self._new_differ:
            old = self._old_nodes.get(node.node_id)
            if not is_equal or old is None or old.parent_id != node.parent_id:
                yield from self._node(old, node)
        for node, _ in self._old_differ:
            if node.node_id not in self._new_nodes:
                yield from self._gone(node)

    def _document(self) -> Iterator[Difference]:
        fields = tuple(f for f in ("title", "language") if getattr(self._before, f) != getattr(self._after, f))
        if fields:
            yield Difference(
                subject="document", change="changed", subject_id=self._after.artifact_id, fields=fields,
                before_text=self._before.title, after_text=self._after.title,
            )  # fmt: skip

    def _sources(self) -> Iterator[Difference]:
        old = {source.source_id: source for source in self._before.sources}
        new = {source.source_id: source for source in self._after.sources}
        for ident in sorted(old.keys() | new.keys()):
            if old.get(ident) != new.get(ident):
                yield _between("source", ident, old.get(ident), new.get(ident), _hash_of_source, lambda s: s.filename)

    def _node(self, old: Node | None, new: Node) -> Iterator[Difference]:
        if old is None:
            yield _between("node", new.node_id, None, new, node_hash, lambda n: n.title, node_id=new.node_id)
        else:
            if (old.parent_id, old.order_key) != (new.parent_id, new.order_key):
                yield _of_node(old, new, "moved")
            fields = tuple(f for f in _OWN_FIELDS if getattr(old, f) != getattr(new, f))
            if not fields and old.blocks == new.blocks and old.evidence != new.evidence:
                fields = ("evidence",)  # elsewhere it follows from what the blocks cite
            if fields:
                yield _of_node(old, new, "changed", fields)
        yield from self._blocks(old, new)

    def _blocks(self, old: Node | None, new: Node) -> Iterator[Difference]:
        if old is not None and old.blocks == new.blocks:
            return
        moved = _out_of_order([b.block_id for b in old.blocks] if old else [], [b.block_id for b in new.blocks])
        for block in new.blocks:
            was = self._old_places.get(block.block_id)
            if was is None:
                yield from _whole_block(new.node_id, block, "added")
                continue
            home, earlier = was
            if home != new.node_id or block.block_id in moved:
                yield _of_block(new.node_id, earlier, block, "moved")
            if earlier != block:
                yield _of_block(new.node_id, earlier, block, "changed")
                yield from _parts(new.node_id, earlier, block)
        for block in old.blocks if old else ():
            if block.block_id not in self._new_places:
                yield from _whole_block(new.node_id, block, "removed")

    def _gone(self, node: Node) -> Iterator[Difference]:
        yield _between("node", node.node_id, node, None, node_hash, lambda n: n.title, node_id=node.node_id)
        for block in node.blocks:
            if block.block_id not in self._new_places:
                yield from _whole_block(node.node_id, block, "removed")


def _differing(
    index: Index, own: Mapping[str, str], others: Mapping[str, str], elsewhere: Mapping[str, Node]
) -> list[tuple[Node, bool]]:
    """Nodes in document order, without subtrees that the other document has in the same place; one that it has in
    another place is there with its top alone, marked as equal.
    """
    found: list[tuple[Node, bool]] = []
    stack: list[str] = []
    parent: str | None = None
    while True:
        children = index.children.get(parent, ())
        stack += [c for c in reversed(children) if others.get(c) != own[c] or elsewhere[c].parent_id != parent]
        while stack and others.get(stack[-1]) == own[stack[-1]]:
            found.append((index.nodes[stack.pop()], True))
        if not stack:
            return found
        parent = stack.pop()
        found.append((index.nodes[parent], False))


def _places(differing: Sequence[tuple[Node, bool]]) -> dict[str, tuple[str, Block]]:
    """Where each block is, of nodes that are not equal as a whole."""
    return {b.block_id: (node.node_id, b) for node, is_equal in differing if not is_equal for b in node.blocks}


def _parts(node_id: str, old: Block, new: Block) -> Iterator[Difference]:
    """Differences of what can be cited in a block that changed, in the order of the block after; what is gone last."""
    before, after = list(cited_parts(old)), list(cited_parts(new))
    partner = paired(before, after)
    stayed = [before[partner[index]].part_id for index in sorted(partner)]
    moved = _out_of_order([part.part_id for part in before], stayed)
    for index, part in enumerate(after):
        if index not in partner:
            yield _of_part(node_id, new.block_id, None, part, "added")
            continue
        was = before[partner[index]]
        if was.part_id in moved:
            yield _of_part(node_id, new.block_id, was, part, "moved")
        if (was.text, was.evidence_ids) != (part.text, part.evidence_ids):
            yield _of_part(node_id, new.block_id, was, part, "changed")
    kept = set(partner.values())
    for index, part in enumerate(before):
        if index not in kept:
            yield _of_part(node_id, new.block_id, part, None, "removed")


def paired(before: Sequence[Cited], after: Sequence[Cited]) -> dict[int, int]:
    """Which part before each part after was: by id, then by what it says, then by its place between such."""
    partner: dict[int, int] = {}
    keys: tuple[Callable[[Cited], Hashable], ...] = (
        lambda part: part.part_id,
        lambda part: (part.text, part.evidence_ids),
        lambda part: part.text,
    )
    for key in keys:
        free: dict[Hashable, deque[int]] = {}
        taken = set(partner.values())
        for index, part in enumerate(before):
            if index not in taken:
                free.setdefault(key(part), deque()).append(index)
        for index, part in enumerate(after):
            if index not in partner and free.get(key(part)):
                partner[index] = free[key(part)].popleft()
    return {**partner, **_in_gaps(partner, len(before), len(after))}


def _in_gaps(partner: Mapping[int, int], before: int, after: int) -> dict[int, int]:
    """What is left over behind the same part that stayed is taken to be the same, rewritten, in its order."""
    gaps: dict[int, deque[int]] = {}
    last, kept = -1, set(partner.values())
    for index in range(before):
        if index in kept:
            last = index
        else:
            gaps.setdefault(last, deque()).append(index)
    found, last = {}, -1
    for index in range(after):
        if index in partner:
            last = partner[index]
        elif gaps.get(last):
            found[index] = gaps[last].popleft()
    return found


def _out_of_order(before: Sequence[str], after: Sequence[str]) -> set[str]:
    """The fewest of those in both that have to be moved to come from one order to the other."""
    rank = {ident: place for place, ident in enumerate(before)}
    common = [ident for ident in after if ident in rank]
    tails: list[int] = []  # ranks at which increasing runs of each length end
    ends: list[int] = []  # places in `common` of those
    previous: list[int] = []
    for place, ident in enumerate(common):
        length = bisect_left(tails, rank[ident])
        previous.append(ends[length - 1] if length else -1)
        tails[length : length + 1] = [rank[ident]]
        ends[length : length + 1] = [place]
    stays: set[str] = set()
    place = ends[-1] if ends else -1
    while place >= 0:
        stays.add(common[place])
        place = previous[place]
    return set(common) - stays


def _of_node(old: Node, new: Node, change: How, fields: tuple[str, ...] = ()) -> Difference:
    return Difference(
        subject="node", change=change, subject_id=new.node_id, node_id=new.node_id, fields=fields,
        before_hash=node_hash(old), after_hash=node_hash(new), before_text=old.title, after_text=new.title,
    )  # fmt: skip


def _of_block(node_id: str, old: Block, new: Block, change: How) -> Difference:
    return Difference(
        subject="block", change=change, subject_id=new.block_id, node_id=node_id, block_id=new.block_id,
        before_hash=block_hash(old), after_hash=block_hash(new), before_text=_text(old), after_text=_text(new),
    )  # fmt: skip


def _whole_block(node_id: str, block: Block, change: Literal["added", "removed"]) -> Iterator[Difference]:
    digest, text = block_hash(block), _text(block)
    old, new = (("", ""), (digest, text)) if change == "added" else ((digest, text), ("", ""))
    yield Difference(
        subject="block", change=change, subject_id=block.block_id, node_id=node_id, block_id=block.block_id,
        before_hash=old[0], after_hash=new[0], before_text=old[1], after_text=new[1],
    )  # fmt: skip
    for part in cited_parts(block):
        left, right = (None, part) if change == "added" else (part, None)
        yield _of_part(node_id, block.block_id, left, right, change)


def _of_part(node_id: str, block_id: str, old: Cited | None, new: Cited | None, change: How) -> Difference:
    shown = new or old
    assert shown is not None
    return Difference(
        subject="sentence", change=change, subject_id=shown.part_id, node_id=node_id, block_id=block_id,
        before_hash=_hash_of_part(old) if old else "", after_hash=_hash_of_part(new) if new else "",
        before_text=old.text if old else "", after_text=new.text if new else "",
        fields=tuple(f for f in ("text", "evidence_ids") if getattr(old, f) != getattr(new, f)) if old and new else (),
    )  # fmt: skip


def _between(
    subject: Subject,
    ident: str,
    old: T | None,
    new: T | None,
    digest: Callable[[T], str],
    text: Callable[[T], str],
    *,
    node_id: str = "",
    block_id: str = "",
) -> Difference:
    """Something that is on one side or on both."""
    return Difference(
        subject=subject,
        change="added" if old is None else "removed" if new is None else "changed",
        subject_id=ident,
        node_id=node_id,
        block_id=block_id,
        before_hash=digest(old) if old is not None else "",
        after_hash=digest(new) if new is not None else "",
        before_text=text(old) if old is not None else "",
        after_text=text(new) if new is not None else "",
    )


def _text(block: Block) -> str:
    return block.raw if isinstance(block, Opaque) else "\n".join(part.text for part in cited_parts(block))


def _hash_of_part(part: Cited) -> str:
    return sha256_hex(canonical_json([part.text, part.evidence_ids]))


def _hash_of_source(source: Source) -> str:
    return sha256_hex(canonical_json(msgspec.to_builtins(source)))
