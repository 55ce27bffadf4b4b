"""Edges between transformations and entities: what one used, what it generated, what its outputs were derived from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from lace_provenance.domain.logs import EntityRef, TransformationLog

Direction = Literal["used", "generated", "derived_from"]


@dataclass(frozen=True, order=True)
class Edge:
    """One edge of a log; the hash is empty where the log names an entity without saying which content."""

    direction: Direction
    entity_id: str
    content_hash: str


def edges_of(log: TransformationLog) -> list[Edge]:
    """The log's edges, each once, sorted.

    The outputs were derived from what `was_derived_from` names; a log that names nothing says no more than that it
    used its inputs, so that these count.
    """
    used = [Edge("used", entity.entity_id, entity.content_hash) for entity in log.inputs]
    generated = [Edge("generated", entity.entity_id, entity.content_hash) for entity in log.outputs]
    derived = [Edge("derived_from", entity_id, content) for entity_id, content in _origins(log)]
    return sorted({*used, *generated, *derived})


def entities_of(log: TransformationLog) -> list[EntityRef]:
    """The contents that the log names, each once, sorted so that concurrent writers meet them in one order."""
    found: dict[tuple[str, str], EntityRef] = {}
    for entity in (*log.outputs, *log.inputs):
        found.setdefault((entity.entity_id, entity.content_hash), entity)
    return [found[key] for key in sorted(found)]


def _origins(log: TransformationLog) -> Iterable[tuple[str, str]]:
    if not log.lineage.was_derived_from:
        yield from ((entity.entity_id, entity.content_hash) for entity in log.inputs)
        return
    contents: dict[str, list[str]] = {}
    for entity in log.inputs:
        contents.setdefault(entity.entity_id, []).append(entity.content_hash)
    for entity_id in log.lineage.was_derived_from:
        for content in contents.get(entity_id, [""]):
            yield entity_id, content
