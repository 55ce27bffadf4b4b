"""From schema 1 to 2: a glossary's plain strings become terms, which can have a definition and words to avoid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def glossary_of_terms(form: Mapping[str, Any]) -> Mapping[str, Any]:
    """The form of version 2 of one of version 1; raises ValueError where it is none.

    A string becomes the term as it stands: what was one text is not guessed apart into a term and its meaning.
    """
    nodes = form.get("nodes", [])
    if not isinstance(nodes, list | tuple):
        raise ValueError("nodes is no list")
    return {**form, "ir_schema_version": 2, "nodes": [_node(node) for node in nodes]}


def _node(node: Any) -> Any:
    constraints = node.get("constraints") if isinstance(node, Mapping) else None
    if not isinstance(constraints, Mapping) or constraints.get("glossary") is None:
        return node
    terms = constraints["glossary"]
    if not isinstance(terms, list | tuple) or not all(isinstance(term, str) for term in terms):
        raise ValueError("a glossary of schema 1 is a list of strings")
    glossary = [{"term": term, "definition": "", "avoid": []} for term in terms]
    return {**node, "constraints": {**constraints, "glossary": glossary}}
