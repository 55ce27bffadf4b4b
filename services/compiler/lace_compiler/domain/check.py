"""What must hold of an IR before it can be compiled: a tree without cycles, unique ids, citations that resolve."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from lace_core.errors import Detail, LaceError, Reason
from lace_core.ir import Artifact, Block, Evidence, Node, cited_parts

_SHOWN = 20


def check(artifact: Artifact) -> None:
    """Raises IR_INVALID with every finding as a detail (the first twenty, and how many more there are)."""
    findings = [*_tree(artifact), *_ids(artifact), *_citations(artifact)]
    if not findings:
        return
    shown = findings[:_SHOWN]
    if len(findings) > _SHOWN:
        shown.append(Detail("", f"and {len(findings) - _SHOWN} more"))
    first = findings[0]
    raise LaceError(Reason.IR_INVALID, f"{first.field}: {first.description}.", details=shown)


def _tree(artifact: Artifact) -> Iterator[Detail]:
    """Nodes that the root cannot reach: they would silently be missing from every output."""
    parents = {node.node_id: node.parent_id for node in artifact.nodes}
    reached = {node.node_id for _, node in artifact.walk()}
    reported: set[str] = set()
    for node in artifact.nodes:
        if node.node_id in reached or node.node_id in reported:
            continue
        if node.parent_id not in parents:
            yield Detail(node.node_id, f"its parent {node.parent_id} does not exist")
            continue
        cycle = _cycle(node, parents)
        if cycle and reported.isdisjoint(cycle):
            yield Detail(cycle[0], "the nodes form a cycle: " + " → ".join([*cycle, cycle[0]]))
        reported.update(cycle)


def _cycle(node: Node, parents: dict[str, str | None]) -> list[str]:
    """The cycle above a node in parent order; empty where the chain ends at a missing parent instead."""
    path: dict[str, None] = {}
    current: str | None = node.node_id
    while current is not None and current in parents:
        if current in path:
            chain = list(path)
            return chain[chain.index(current) :]
        path[current] = None
        current = parents[current]
    return []


def _ids(artifact: Artifact) -> Iterator[Detail]:
    seen: set[str] = set()
    for identifier in _all_ids(artifact):
        if identifier in seen:
            yield Detail(identifier, "this id is used twice")
        seen.add(identifier)


def _all_ids(artifact: Artifact) -> Iterator[str]:
    yield from (source.source_id for source in artifact.sources)
    for node in artifact.nodes:
        yield node.node_id
        for block in node.blocks:
            yield block.block_id
            yield from (part.part_id for part in cited_parts(block) if part.part_id != block.block_id)


def _citations(artifact: Artifact) -> Iterator[Detail]:
    sources = {source.source_id for source in artifact.sources}
    known: dict[str, Evidence] = {}
    for node in artifact.nodes:
        for evidence in node.evidence:
            if evidence.source_id not in sources:
                yield Detail(evidence.evidence_id, f"its source {evidence.source_id} is not among the document's")
            if _span(known.setdefault(evidence.evidence_id, evidence)) != _span(evidence):
                yield Detail(evidence.evidence_id, "two different pieces of evidence have this id")
    for node in artifact.nodes:
        for block in node.blocks:
            for evidence_id in _cited_ids(block):
                if evidence_id not in known:
                    yield Detail(block.block_id, f"it cites {evidence_id}, which the document does not hold")


def _span(evidence: Evidence) -> Evidence:
    """What an id stands for: the span alone. Two sections find the same span with scores of their own."""
    return structs.replace(evidence, score="", method="")


def _cited_ids(block: Block) -> Iterator[str]:
    yield from getattr(block, "evidence_ids", ())
    for part in cited_parts(block):
        yield from part.evidence_ids
