"""JSON Merge Patch (RFC 7396) of a document: what its members ask for, as actions; null takes out, absent leaves.

Patched can be: title, language, and nodes, an object by node id with title, brief, summary, state and constraints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from lace_core.actions import Action, SetConstraints, SetNodeState, SetSummary, UpdateNode
from lace_core.errors import Detail, LaceError, Reason
from lace_core.ir import Artifact, Constraints, Node, NodeState

DOCUMENT_MEMBERS = ("title", "language", "nodes")
NODE_MEMBERS = ("title", "brief", "summary", "state", "constraints")
_LONGEST = {"title": 300, "language": 35}
_TERMS = "glossary_terms"  # as the API names what the document calls its glossary
_MOST = 2**31 - 1
_RULES = {field.name: field for field in msgspec.structs.fields(Constraints)}
# As the API names them: terms with what they mean, or, as in schema 1, by their names alone.
_TERMS, _NAMES = "glossary_terms", "glossary"
CONSTRAINT_MEMBERS = (*_RULES, _TERMS)


@dataclass(frozen=True)
class Patched:
    """What is asked for: the document's own fields (None: as they are), and actions on its sections."""

    title: str | None
    language: str | None
    actions: tuple[Action, ...]


def merge_patch(document: Artifact, patch: Any, key: str) -> Patched:
    """The changes that a merge patch (parsed JSON) asks of a document; `key` is the actions' own.

    Raises LaceError UNKNOWN_FIELD, INVALID_ARGUMENT, NODE_NOT_FOUND, each with a JSON Pointer into the patch.
    """
    members = _object("", patch, DOCUMENT_MEMBERS, "a document")
    known = {node.node_id: node for node in document.nodes}
    actions: list[Action] = []
    for node_id, wanted in _object("/nodes", members.get("nodes", {}), None, "").items():
        at = f"/nodes/{_escaped(node_id)}"
        if node_id not in known:
            message = f"{at}: there is no node {node_id}."
            raise LaceError(Reason.NODE_NOT_FOUND, message, details=[Detail(at, "is no node of the document")])
        if wanted is None:
            raise _wrong(at, "a node is not taken out by a merge patch; send the action remove_node")
        actions.extend(_of_node(at, known[node_id], _object(at, wanted, NODE_MEMBERS, "a node"), f"{key}/{node_id}"))
    return Patched(_own(members, "title"), _own(members, "language"), tuple(actions))


def _own(members: Mapping[str, Any], name: str) -> str | None:
    if name not in members:
        return None
    text = _text(f"/{name}", members[name])
    if not 0 < len(text) <= _LONGEST[name]:
        raise _wrong(f"/{name}", f"must have 1 to {_LONGEST[name]} characters")
    return text


def _of_node(at: str, node: Node, wanted: Mapping[str, Any], key: str) -> Iterator[Action]:
    state: list[Action] = []
    if "state" in wanted:
        state.append(SetNodeState(key=f"{key}/state", node_id=node.node_id, state=_state(at, wanted)))
    if node.state is NodeState.FINAL:
        yield from state  # reopened first, or nothing else may change
    if "title" in wanted or "brief" in wanted:
        title = _text(f"{at}/title", wanted["title"]) if "title" in wanted else None
        brief = _text_or_none(f"{at}/brief", wanted["brief"]) if "brief" in wanted else None
        yield UpdateNode(key=f"{key}/node", node_id=node.node_id, title=title, brief=brief)
    if "summary" in wanted:
        summary = _text_or_none(f"{at}/summary", wanted["summary"])
        yield SetSummary(key=f"{key}/summary", node_id=node.node_id, summary=summary)
    if "constraints" in wanted:
        constraints = _constraints(f"{at}/constraints", node.constraints, wanted["constraints"])
        yield SetConstraints(key=f"{key}/constraints", node_id=node.node_id, constraints=constraints)
    if node.state is not NodeState.FINAL:
        yield from state


def _constraints(at: str, now: Constraints, wanted: Any) -> Constraints:
    """The node's rules with those that are named replaced; null takes one out, or all."""
    if wanted is None:
        return Constraints()
    members = _object(at, wanted, CONSTRAINT_MEMBERS, "constraints")
    values = {name: _rule(f"{at}/{name}", name, value) for name, value in members.items()}
    if _TERMS in values:
        terms, names = values.pop(_TERMS), values.get(_NAMES)
        if names and [term.term for term in names] != [term.term for term in terms or ()]:
            raise _wrong(f"{at}/{_NAMES}", f"must name the terms of {_TERMS}, or be left out")
        values[_NAMES] = terms
    return msgspec.structs.replace(now, **values)


def _rule(at: str, name: str, value: Any) -> Any:
    _refuse_nul(at, value)
    rule = _RULES[_NAMES if name == _TERMS else name]
    if value is None:
        return rule.default
    if name == _NAMES and isinstance(value, list):
        value = [{"term": term} if isinstance(term, str) else term for term in value]
    try:
        found = msgspec.convert(value, rule.type)
    except msgspec.ValidationError as error:
        raise _wrong(at, str(error)) from None
    if isinstance(found, int) and not 0 <= found <= _MOST:
        raise _wrong(at, f"must be between 0 and {_MOST}")
    return found


def _state(at: str, wanted: Mapping[str, Any]) -> NodeState:
    try:
        return NodeState(wanted["state"])
    except ValueError:
        raise _wrong(f"{at}/state", f"must be one of {', '.join(NodeState)}") from None


def _object(at: str, value: Any, known: tuple[str, ...] | None, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(at, "must be an object")
    for name in value:
        if known is not None and name not in known:
            pointer = f"{at}/{_escaped(name)}"
            message = f"{pointer}: a merge patch of {what} has no such member; it has {', '.join(known)}."
            raise LaceError(Reason.UNKNOWN_FIELD, message, details=[Detail(pointer, "no such member")])
    return value


def _text_or_none(at: str, value: Any) -> str:
    return "" if value is None else _text(at, value)


def _text(at: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(at, "must be a text" if value is not None else "cannot be taken out")
    _refuse_nul(at, value)
    return value


def _refuse_nul(at: str, value: Any) -> None:
    if isinstance(value, str) and "\0" in value:
        raise _wrong(at, "may not hold the character U+0000")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _refuse_nul(at, item)


def _escaped(name: str) -> str:
    """A name as one reference token of a JSON Pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _wrong(at: str, problem: str) -> LaceError:
    return LaceError(Reason.INVALID_ARGUMENT, f"{at or 'The patch'}: {problem}.", details=[Detail(at, problem)])
