"""The blocks and evidence of one node while they are changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from lace_core.actions import LAST
from lace_core.applying.identities import cited_ids
from lace_core.applying.results import Refused
from lace_core.ir import Block, Evidence, Node
from lace_core.rejections import RejectionCode


def place_after(ids: Sequence[str], after_id: str) -> int:
    """The index at which something comes that is to stand after `after_id`; raises Refused SIBLING_NOT_FOUND."""
    if after_id == LAST:
        return len(ids)
    if not after_id:
        return 0
    try:
        return ids.index(after_id) + 1
    except ValueError:
        message = f'{after_id} is not there; name a sibling of that place, "" for first or "{LAST}" for last.'
        raise Refused(RejectionCode.SIBLING_NOT_FOUND, "after_id", message) from None


class Section:
    """What is in a node, as lists: a node is made of it once, however many of its blocks change."""

    def __init__(self, node: Node) -> None:
        self.blocks = list(node.blocks)
        self.ids = [block.block_id for block in node.blocks]
        self.is_changed = False
        self._evidence = {evidence.evidence_id: evidence for evidence in node.evidence}
        self._is_sorted = False
        self._cited: Counter[str] | None = None  # by how many blocks, once evidence is pruned

    def evidence_for(self, block: Block, given: Iterable[Evidence]) -> list[Evidence]:
        """What the node does not hold yet of what a block cites; raises Refused EVIDENCE_NOT_FOUND."""
        lacking = sorted(cited_ids(block) - self._evidence.keys())
        if not lacking:
            return []
        offered = {evidence.evidence_id: evidence for evidence in given}
        for evidence_id in lacking:
            if evidence_id not in offered:
                message = f"{evidence_id} is cited but not given; give the evidence with the action."
                raise Refused(RejectionCode.EVIDENCE_NOT_FOUND, "block", message)
        return [offered[evidence_id] for evidence_id in lacking]

    def evidence(self) -> tuple[Evidence, ...]:
        """What the node holds."""
        return tuple(self._evidence.values())

    def insert(self, place: int, block: Block, evidence: Iterable[Evidence]) -> None:
        """Put a block in, with what it cites besides."""
        self.blocks.insert(place, block)
        self.ids.insert(place, block.block_id)
        self._hold(evidence)
        if self._cited is not None:
            self._cited.update(cited_ids(block))

    def replace(self, place: int, block: Block, evidence: Iterable[Evidence]) -> None:
        """Put a block in the place of another; evidence that nothing cites any more goes."""
        cited = self._counted()
        old, self.blocks[place] = self.blocks[place], block
        self._hold(evidence)
        cited.update(cited_ids(block))
        self._let_go(cited_ids(old))

    def take(self, place: int) -> Block:
        """Take a block out; evidence that nothing cites any more goes."""
        self._counted()
        del self.ids[place]
        old = self.blocks.pop(place)
        self._let_go(cited_ids(old))
        return old

    def move(self, place: int, to: int) -> None:
        """Put a block elsewhere among the others; `to` counts without it."""
        self.blocks.insert(to, self.blocks.pop(place))
        self.ids.insert(to, self.ids.pop(place))
        self.is_changed = True

    def prune(self) -> None:
        """Let evidence go that nothing cites."""
        cited = self._counted()
        self._evidence = {ident: evidence for ident, evidence in self._evidence.items() if cited[ident] > 0}

    def of(self, node: Node) -> Node:
        """The node with these blocks and this evidence."""
        if self._is_sorted:
            self._evidence = dict(sorted(self._evidence.items()))
        self.is_changed = False
        return msgspec.structs.replace(node, blocks=tuple(self.blocks), evidence=self.evidence())

    def _hold(self, evidence: Iterable[Evidence]) -> None:
        self._evidence.update((item.evidence_id, item) for item in evidence)
        self._is_sorted = self.is_changed = True

    def _counted(self) -> Counter[str]:
        if self._cited is None:
            self._cited = Counter(ident for block in self.blocks for ident in cited_ids(block))
            self.prune()
        self.is_changed = True
        return self._cited

    def _let_go(self, evidence_ids: Iterable[str]) -> None:
        cited = self._counted()
        for ident in evidence_ids:
            cited[ident] -= 1
            if cited[ident] <= 0:
                self._evidence.pop(ident, None)
