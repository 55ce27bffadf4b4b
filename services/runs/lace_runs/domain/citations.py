"""Citations: which places of which documents rest on which spans of sources."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lace_core.ir import Block, Cited, Evidence, cited_parts

Cursor = tuple[str, str, int, str]
"""Where a page begins: behind this artifact, revision, place of a node, and evidence."""


@dataclass(frozen=True)
class Wanted:
    """Citations of these sources, of these units, in this artifact: all that is not empty must hold.

    `labels` are those that the reader holds: a revision with a source that carries others is not there for him.
    """

    source_ids: tuple[str, ...] = ()
    unit_ids: tuple[str, ...] = ()
    artifact_id: str = ""
    all_revisions: bool = False
    labels: frozenset[str] = frozenset()

    @property
    def is_anything(self) -> bool:
        """Whether it names anything to look for."""
        return bool(self.source_ids or self.unit_ids or self.artifact_id)


@dataclass(frozen=True)
class Citation:
    """Evidence in a node of a committed revision, and the parts of its blocks that rest on it."""

    artifact_id: str
    artifact_title: str
    revision_id: str
    position: int
    node_id: str
    node_title: str
    evidence: Evidence
    parts: tuple[Cited, ...]

    @property
    def cursor(self) -> Cursor:
        """Its place in the order of all citations."""
        return self.artifact_id, self.revision_id, self.position, self.evidence.evidence_id


def parts_citing(blocks: Iterable[Block], evidence_id: str) -> tuple[Cited, ...]:
    """What of blocks rests on a piece of evidence, in reading order."""
    return tuple(part for block in blocks for part in cited_parts(block) if evidence_id in part.evidence_ids)
