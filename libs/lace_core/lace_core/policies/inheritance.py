"""Laying constraints over one another: lists add up, values give way, and nothing locked is loosened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from lace_core.constraints import FIELDS, resolve_chain
from lace_core.ir import Constraints, GlossaryTerm, Node

_LISTS = ("forbidden_phrases", "competency_questions")


@dataclass(frozen=True)
class Laid:
    """The constraints that come of it, which fields the upper ones gave, and which of theirs had no effect."""

    constraints: Constraints
    taken: frozenset[str]
    refused: tuple[str, ...]


def lay(below: Constraints, above: Constraints) -> Laid:
    """`above` laid over `below`: it adds to lists, replaces values, and may only tighten what `below` locks."""
    added = _with_lists_of(below, above)
    result, trace = resolve_chain([_as_node("below", below), _as_node("above", added)])
    given = [name for name in FIELDS if getattr(above, name) is not None]
    taken = frozenset(name for name in given if trace.get(name) == "above")
    refused = tuple(name for name in given if name not in taken and getattr(above, name) != getattr(result, name))
    return Laid(result, taken, refused)


def _with_lists_of(below: Constraints, above: Constraints) -> Constraints:
    values: dict[str, object] = {}
    for name in _LISTS:
        own, inherited = getattr(above, name), getattr(below, name)
        if own is not None and inherited is not None:
            values[name] = tuple(dict.fromkeys((*inherited, *own)))
    if above.glossary is not None and below.glossary is not None:
        values["glossary"] = _terms(below.glossary, above.glossary, locked="glossary" in below.locked)
    return msgspec.structs.replace(above, **values)


def _terms(inherited: Sequence[GlossaryTerm], own: Sequence[GlossaryTerm], *, locked: bool) -> tuple[GlossaryTerm, ...]:
    """The terms of both; one that both explain keeps the first's meaning where that is locked."""
    found = {entry.term: entry for entry in inherited}
    for entry in own:
        before = found.get(entry.term)
        if before is not None:
            meaning = before.definition if locked or not entry.definition else entry.definition
            avoid = tuple(dict.fromkeys((*before.avoid, *entry.avoid)))
            found[entry.term] = GlossaryTerm(term=entry.term, definition=meaning, avoid=avoid)
        else:
            found[entry.term] = entry
    return tuple(found.values())


def _as_node(node_id: str, constraints: Constraints) -> Node:
    return Node(node_id=node_id, parent_id=None, order_key="", title="", constraints=constraints)
