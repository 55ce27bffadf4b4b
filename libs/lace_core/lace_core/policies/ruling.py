"""What a policy asks of a document: the constraints of its nodes, written down by apply, and what is kept out of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import msgspec

from lace_core.constraints import resolve_chain
from lace_core.ir import Artifact, Constraints, GlossaryTerm, Node
from lace_core.phrases import phrase_in
from lace_core.policies.in_force import Origin, PolicyInForce
from lace_core.policies.inheritance import lay

_NOTHING = Constraints()


@dataclass(frozen=True)
class Place:
    """A node as it is or is to be: its heading, whether it is the root, and what it asks for by itself."""

    title: str
    is_root: bool
    own: Constraints = _NOTHING


def ruled(policy: PolicyInForce | None, place: Place) -> Constraints:
    """The node's own constraints under the policy: what it asks for itself laid over what the policy asks of it.

    The policy's constraints of the document belong to the root; those of sections to every node that fits.
    """
    return place.own if policy is None else lay(_asked(policy, place), place.own).constraints


def written_down(policy: PolicyInForce, document: Artifact) -> Artifact:
    """The document as it would be with what the policy asks of its nodes written on them."""
    nodes = []
    for node in document.nodes:
        asked = ruled(policy, Place(node.title, node.parent_id is None, node.constraints))
        nodes.append(node if asked == node.constraints else msgspec.structs.replace(node, constraints=asked))
    return msgspec.structs.replace(document, nodes=tuple(nodes))


def loosened(policy: PolicyInForce, place: Place) -> tuple[str, ...]:
    """The constraints that the policy locks for a node and that the node's own do not hold, by name."""
    asked, written = _asked(policy, place), ruled(policy, place)
    return tuple(
        name
        for name in asked.locked
        if getattr(asked, name) is not None and getattr(written, name) != getattr(place.own, name)
    )


def _asked(policy: PolicyInForce, place: Place) -> Constraints:
    """What the policy asks of a node by itself."""
    asked = policy.constraints if place.is_root else Constraints()
    for section in policy.sections:
        if fits(section.title, place.title):
            asked = lay(asked, section.constraints).constraints
    return asked


def rules_of(policy: PolicyInForce | None, places: Sequence[Place]) -> Constraints:
    """What holds for the last of the places, which lead from the root down to it, once the policy is written down."""
    chain = [
        Node(node_id=str(at), parent_id=None, order_key="", title=place.title, constraints=ruled(policy, place))
        for at, place in enumerate(places)
    ]
    return resolve_chain(chain)[0]


def places_to(document: Artifact, node_id: str) -> tuple[Place, ...]:
    """The places from the root down to a node of a document; raises LookupError for an unknown node."""
    found = [document.node(node_id)]
    seen = {node_id}
    while (parent := found[-1].parent_id) is not None and parent not in seen:
        seen.add(parent)
        found.append(document.node(parent))
    return tuple(Place(node.title, node.parent_id is None, node.constraints) for node in reversed(found))


def fits(pattern: str, title: str) -> bool:
    """Whether a heading fits a pattern, in any case."""
    return fnmatchcase(title.strip().casefold(), pattern.strip().casefold())


def unused_sections(policy: PolicyInForce, titles: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Place and pattern of every section rule that no heading fits."""
    for index, section in enumerate(policy.sections):
        if not any(fits(section.title, title) for title in titles):
            yield index, section.title


def forbidden_in(text: str, rules: Constraints) -> str:
    """The first forbidden phrase that a text holds, as validation looks for it; empty where there is none."""
    return phrase_in(text, rules.forbidden_phrases or ())


def instructions(policy: PolicyInForce | None, kind: str, rules: Constraints | None = None) -> tuple[str, ...]:
    """What is added to what a model is asked: the house's rules for that kind of question, tone and terms.

    Empty where no policy holds, so that the question is what it was without one.
    """
    if policy is None:
        return ()
    added = list(policy.house_rules.get(kind, ()))
    if rules is not None and rules.tone:
        added.append(f"Tone: {rules.tone}")
    added.extend(_wording(entry) for entry in (rules.glossary or () if rules else ()))
    return tuple(added)


def _wording(entry: GlossaryTerm) -> str:
    meaning = f" ({entry.definition})" if entry.definition else ""
    avoided = f"; avoid {', '.join(entry.avoid)}" if entry.avoid else ""
    return f"Write {entry.term}{meaning}{avoided}."


def setter_of(policy: PolicyInForce, places: Sequence[Place], name: str) -> tuple[Origin | None, str]:
    """Who set a constraint of the last place: a policy's line, or in words the section that asks for it itself."""
    chain = [
        Node(node_id=str(at), parent_id=None, order_key="", title=place.title, constraints=ruled(policy, place))
        for at, place in enumerate(places)
    ]
    place = places[int(resolve_chain(chain)[1][name])]
    found = getattr(place.own, name)
    asked = ruled(policy, Place(place.title, place.is_root))
    if found is not None and getattr(asked, name) != getattr(ruled(policy, place), name):
        return None, f"the document {place.title}" if place.is_root else f"the section {place.title}"
    for index, section in reversed(list(enumerate(policy.sections))):
        if fits(section.title, place.title) and getattr(section.constraints, name) is not None:
            return policy.trace.get(f"/sections/{index}/constraints/{name}"), policy.link.name
    return policy.trace.get(f"/constraints/{name}"), policy.link.name
