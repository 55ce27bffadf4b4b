"""Inheritance of constraints along the chain of parents, with a trace of which node set each value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lace_core.ir import Artifact, Constraints, GlossaryTerm, Node

FIELDS = tuple(name for name in Constraints.__struct_fields__ if name != "locked")
_STRICTER_WHEN_TRUE = {"must_cite", "no_split"}
_STRICTER_WHEN_SMALLER = {"max_words"}
_STRICTER_WHEN_GREATER = {"min_words", "min_citations_per_block"}


def resolve(artifact: Artifact, node_id: str) -> tuple[Constraints, Mapping[str, str]]:
    """The constraints that hold for a node, and for each set field the id of the node that set it.

    Raises LookupError for an unknown node.
    """
    return resolve_chain(_chain(artifact, node_id))


def resolve_chain(chain: Sequence[Node]) -> tuple[Constraints, Mapping[str, str]]:
    """The same for nodes given from the root down. A child wins, but never loosens a field that is locked above."""
    values: dict[str, object] = {}
    trace: dict[str, str] = {}
    locked: set[str] = set()
    for node in chain:
        for name in FIELDS:
            own = getattr(node.constraints, name)
            if own is None or (name in locked and not _is_tighter(name, own, values.get(name))):
                continue
            values[name], trace[name] = own, node.node_id
        locked.update(node.constraints.locked)
    return Constraints(**values, locked=tuple(sorted(locked))), trace  # type: ignore[arg-type]


def loosened(chain: Sequence[Node]) -> dict[str, str]:
    """Fields that the last node of the chain sets looser than a node above it locked them, each with that node's id.

    They have no effect; who set them should know.
    """
    own = chain[-1].constraints
    if not any(node.constraints.locked for node in chain[:-1]):
        return {}
    above, _ = resolve_chain(chain[:-1])
    return {
        name: next(node.node_id for node in chain if name in node.constraints.locked)
        for name in FIELDS
        if name in above.locked
        and getattr(own, name) is not None
        and not _is_tighter(name, getattr(own, name), getattr(above, name))
    }


def _is_tighter(name: str, own: object, inherited: object) -> bool:
    if inherited is None:
        return True
    if name in _STRICTER_WHEN_TRUE:
        return bool(own) or not inherited
    if name in _STRICTER_WHEN_SMALLER:
        return isinstance(own, int) and isinstance(inherited, int) and own <= inherited
    if name in _STRICTER_WHEN_GREATER:
        return isinstance(own, int) and isinstance(inherited, int) and own >= inherited
    if name == "glossary":
        return isinstance(own, tuple) and isinstance(inherited, tuple) and _keeps_terms(own, inherited)
    if name in ("forbidden_phrases", "competency_questions"):
        return isinstance(own, tuple) and isinstance(inherited, tuple) and set(own) >= set(inherited)
    if name == "allowed_fact_ids":
        return isinstance(own, tuple) and isinstance(inherited, tuple) and set(own) <= set(inherited)
    return own == inherited


def _keeps_terms(own: tuple[GlossaryTerm, ...], inherited: tuple[GlossaryTerm, ...]) -> bool:
    """Whether every inherited term is there with its meaning and what it avoids, and none that is to be avoided."""
    known = {entry.term: entry for entry in own}
    avoided = {word.casefold() for entry in inherited for word in entry.avoid}
    return (
        len(known) == len(own)
        and all(
            entry.term in known
            and known[entry.term].definition == entry.definition
            and set(known[entry.term].avoid) >= set(entry.avoid)
            for entry in inherited
        )
        and all(entry.term.casefold() not in avoided for entry in own if entry not in inherited)
    )


def _chain(artifact: Artifact, node_id: str) -> list[Node]:
    chain = [artifact.node(node_id)]
    seen = {node_id}
    while (parent := chain[-1].parent_id) is not None:
        if parent in seen:
            raise LookupError(f"{node_id} hangs in a circle")
        seen.add(parent)
        chain.append(artifact.node(parent))
    return chain[::-1]
