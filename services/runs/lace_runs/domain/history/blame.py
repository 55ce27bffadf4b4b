"""Which revision brought a sentence in: the first in which its block held it with these words and citations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lace_core.ir import Artifact, Block, Cited, Evidence, cited_parts
from lace_runs.domain.history.lineage import oldest_of


@dataclass(frozen=True)
class Version:
    """A block as it was, and the revisions that made it so: more than one where it came back."""

    block: Block
    revision_ids: frozenset[str]


@dataclass(frozen=True)
class Line:
    """A sentence in its place."""

    node_id: str
    node_title: str
    part: Cited
    evidence: tuple[Evidence, ...]


def lines_of(document: Artifact, node_id: str = "") -> Sequence[Line]:
    """What can be cited in a document, in its order; only below a node where one is named."""
    found: list[Line] = []
    inside: dict[str, None] = {}
    for _, node in document.walk():
        if node_id and node.node_id != node_id and node.parent_id not in inside:
            continue
        inside[node.node_id] = None
        known = {evidence.evidence_id: evidence for evidence in node.evidence}
        for block in node.blocks:
            for part in cited_parts(block):
                cited = tuple(known[ident] for ident in part.evidence_ids if ident in known)
                found.append(Line(node.node_id, node.title, part, cited))
    return found


def introduced(
    lines: Iterable[Line], versions: Mapping[str, Sequence[Version]], newest_first: Sequence[str]
) -> Mapping[tuple[str, str], str]:
    """By (block, part) the oldest revision of the history in which it stood as it stands; empty where none is known.

    `versions` are all that there are of each block. What was taken out and brought back is its first maker's.
    """
    order = {ident: place for place, ident in enumerate(newest_first)}
    made: dict[str, dict[tuple[str, tuple[str, ...]], set[str]]] = {}
    found: dict[tuple[str, str], str] = {}
    for line in lines:
        block_id = line.part.block_id
        if block_id not in made:
            made[block_id] = _said(versions.get(block_id, ()))
        makers = made[block_id].get((line.part.text, line.part.evidence_ids), set())
        found[block_id, line.part.part_id] = oldest_of(makers, order)
    return found


def _said(versions: Iterable[Version]) -> dict[tuple[str, tuple[str, ...]], set[str]]:
    said: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    for version in versions:
        for part in cited_parts(version.block):
            said.setdefault((part.text, part.evidence_ids), set()).update(version.revision_ids)
    return said
