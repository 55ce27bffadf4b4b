"""Deterministic validation of a document: every finding has a code, a severity and a JSON Pointer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lace_core.canonical import sha256_hex
from lace_core.constraints import loosened, resolve_chain
from lace_core.ir import Artifact, Block, Cited, Constraints, GlossaryTerm, Node, NodeState, Opaque, Table, cited_parts
from lace_core.order import is_key
from lace_core.phrases import phrases_in, shown_by

Severity = Literal["error", "warning"]

SUGGESTED: Mapping[str, tuple[str, ...]] = {
    "ROOT_COUNT": ("insert_node", "remove_node"),
    "PARENT_MISSING": ("move_node", "remove_node"),
    "ORDER_UNCLEAR": ("move_node",),
    "UNREACHABLE": ("move_node", "remove_node"),
    "TOO_MANY_NODES": ("remove_node",),
    "TITLE_MISSING": ("update_node",),
    **dict.fromkeys(
        ("SOURCE_MISSING", "SOURCE_VERSION", "QUOTE_HASH", "QUOTE_SPAN"), ("replace_block", "remove_block")
    ),
    **dict.fromkeys(("UNIT_MISSING", "QUOTE_NOT_FOUND", "EVIDENCE_MISSING"), ("replace_block", "remove_block")),
    **dict.fromkeys(("CITATION_MISSING", "CITATIONS_FEW"), ("replace_block", "remove_block", "set_constraints")),
    **dict.fromkeys(("PHRASE_FORBIDDEN", "TERM_AVOIDED", "TABLE_RAGGED"), ("replace_block", "remove_block")),
    "TOO_LONG": ("replace_block", "remove_block", "set_constraints"),
    "TOO_SHORT": ("insert_block", "set_constraints"),
}
"""Which actions mend what a code names: types out of the closed set of lace_core.actions."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong; `pointer` leads to it by ids (/nodes/<node id>/blocks/<block id>/…).

    `details` holds ids and figures that the message tells, by name; `suggested_actions` are action types that mend it.
    `text` are the words that it is about, where it is about words; events do not tell them.
    """

    code: str
    severity: Severity
    pointer: str
    message: str
    details: Mapping[str, str] = field(default_factory=dict)
    suggested_actions: tuple[str, ...] = ()
    text: str = ""

    def __post_init__(self) -> None:
        if not self.suggested_actions:
            object.__setattr__(self, "suggested_actions", SUGGESTED.get(self.code, ()))

    def told(self) -> dict[str, Any]:
        """As an event tells it: its details are a list of names and values."""
        told = {name: value for name, value in vars(self).items() if name != "text"}
        return {**told, "details": [{"name": name, "value": value} for name, value in self.details.items()]}


def validate(
    artifact: Artifact, units: Mapping[str, str] | None = None, max_nodes: int = 2000, max_blocks: int = 100_000
) -> list[Finding]:
    """Everything that is wrong with a document, in document order.

    `units` gives the text of source units by id; with it every quote is checked to stand at its span.
    """
    findings = list(_structure(artifact, max_nodes, max_blocks))
    if any(finding.severity == "error" for finding in findings):
        return findings  # what follows needs a tree
    chain: list[Node] = []
    for depth, node in artifact.walk():
        chain[depth:] = [node]
        if depth == 0 and artifact.title != node.title:
            findings.extend(_phrases("/title", artifact.title, node.constraints.forbidden_phrases or ()))
        findings.extend(_evidence(node, artifact, units))
        findings.extend(_node(node, resolve_chain(chain)[0]))
        for name, locked_by in loosened(chain).items():
            message = f"It has no effect: {locked_by} locks {name}, and this is looser."
            findings.append(
                Finding("CONSTRAINT_LOOSER", "warning", f"/nodes/{node.node_id}/constraints/{name}", message)
            )
    return findings


def errors(findings: list[Finding]) -> list[Finding]:
    """Those findings that forbid a commit."""
    return [finding for finding in findings if finding.severity == "error"]


def _structure(artifact: Artifact, max_nodes: int, max_blocks: int) -> Iterator[Finding]:
    ids = Counter(node.node_id for node in artifact.nodes)
    ids.update(block.block_id for node in artifact.nodes for block in node.blocks)
    ids.update(
        part.part_id
        for node in artifact.nodes
        for block in node.blocks
        for part in cited_parts(block)
        if part.part_id != part.block_id
    )
    for ident, count in ids.items():
        if count > 1:
            yield Finding("ID_REPEATED", "error", f"/ids/{ident}", f"{ident} is used {count} times.")
    known = {node.node_id for node in artifact.nodes}
    roots = [node for node in artifact.nodes if node.parent_id is None]
    if len(roots) != 1:
        yield Finding("ROOT_COUNT", "error", "/nodes", f"A document has one root, this one has {len(roots)}.")
    for node in artifact.nodes:
        if node.parent_id is not None and node.parent_id not in known:
            yield Finding("PARENT_MISSING", "error", f"/nodes/{node.node_id}", f"There is no {node.parent_id}.")
    places = Counter((node.parent_id, node.order_key) for node in artifact.nodes)
    for node in artifact.nodes:
        if not is_key(node.order_key) or places[node.parent_id, node.order_key] > 1:
            yield Finding("ORDER_UNCLEAR", "error", f"/nodes/{node.node_id}", "It has no order key of its own.")
    reached = sum(1 for _ in artifact.walk())
    if reached != len(artifact.nodes):
        yield Finding("UNREACHABLE", "error", "/nodes", f"{len(artifact.nodes) - reached} nodes hang in a circle.")
    if len(artifact.nodes) > max_nodes:
        yield Finding("TOO_MANY_NODES", "error", "/nodes", f"{len(artifact.nodes)} nodes, {max_nodes} are allowed.")
    blocks = sum(len(node.blocks) for node in artifact.nodes)
    if blocks > max_blocks:
        yield Finding("TOO_MANY_BLOCKS", "error", "/nodes", f"{blocks} blocks, {max_blocks} are allowed.")


def _evidence(node: Node, artifact: Artifact, units: Mapping[str, str] | None) -> Iterator[Finding]:
    sources = {source.source_id: source for source in artifact.sources}
    for evidence in node.evidence:
        at = f"/nodes/{node.node_id}/evidence/{evidence.evidence_id}"
        span = {"start": str(evidence.start), "end": str(evidence.end)}
        where = {"source_id": evidence.source_id, "unit_id": evidence.unit_id, **span}
        source = sources.get(evidence.source_id)
        if source is None:
            yield Finding(
                "SOURCE_MISSING", "error", at, f"{evidence.source_id} is not a source of this document.", where
            )
        elif source.version != evidence.source_version:
            yield Finding("SOURCE_VERSION", "error", at, "The evidence is of another version of its source.", where)
        if sha256_hex(evidence.quote.encode()) != evidence.quote_hash:
            yield Finding("QUOTE_HASH", "error", at, "The quote does not match its hash.", where)
        if evidence.end - evidence.start != len(evidence.quote):
            yield Finding("QUOTE_SPAN", "error", at, "The quote is not as long as its span.", where)
        if units is not None:
            text = units.get(evidence.unit_id)
            if text is None:
                yield Finding("UNIT_MISSING", "error", at, f"There is no unit {evidence.unit_id}.", where)
            elif text[evidence.start : evidence.end] != evidence.quote:
                yield Finding("QUOTE_NOT_FOUND", "error", at, "The quote does not stand at its span.", where)


def _node(node: Node, constraints: Constraints) -> Iterator[Finding]:
    at = f"/nodes/{node.node_id}"
    known = {evidence.evidence_id for evidence in node.evidence}
    if constraints.forbidden_phrases:
        for where, text in shown_by(node):
            yield from _phrases(where, text, constraints.forbidden_phrases)
    words = 0
    avoided = _avoided(constraints.glossary or ())
    for block in node.blocks:
        here = f"{at}/blocks/{block.block_id}"
        yield from _citations(block, here, known, constraints)
        if isinstance(block, Table) and any(len(row.cells) != len(block.header) for row in block.rows):
            yield Finding("TABLE_RAGGED", "error", here, "A row has not as many cells as the table has columns.")
        for part in cited_parts(block):
            words += len(part.text.split())
            yield from _terms(part, here, avoided)
    if constraints.max_words is not None and words > constraints.max_words:
        figures = {"words": str(words), "allowed": str(constraints.max_words)}
        yield Finding("TOO_LONG", "warning", at, f"{words} words, {constraints.max_words} are allowed.", figures)
    if constraints.min_words is not None and node.blocks and words < constraints.min_words:
        figures = {"words": str(words), "asked": str(constraints.min_words)}
        yield Finding("TOO_SHORT", "warning", at, f"{words} words, {constraints.min_words} are asked for.", figures)
    if node.state in (NodeState.DRAFT, NodeState.FINAL) and not node.title.strip():
        yield Finding("TITLE_MISSING", "error", at, "A written node needs a title.")


def _phrases(pointer: str, text: str, forbidden: Sequence[str]) -> Iterator[Finding]:
    field = pointer.rpartition("/")[2]
    mended_by = {"title": ("update_node",), "summary": ("set_summary",)}.get(field, SUGGESTED["PHRASE_FORBIDDEN"])
    for phrase in phrases_in(text, forbidden):
        message = f"{phrase!r} may not occur; use other words."
        yield Finding("PHRASE_FORBIDDEN", "error", pointer, message, {"phrase": phrase}, mended_by, text)


def _avoided(glossary: Sequence[GlossaryTerm]) -> list[tuple[re.Pattern[str], GlossaryTerm]]:
    """What finds a term's words to avoid, as whole words in any case, but not inside of the term itself."""
    found = []
    for entry in glossary:
        words = sorted((re.escape(word.strip()) for word in entry.avoid if word.strip()), key=len, reverse=True)
        if words:
            own = [re.escape(entry.term.strip())] if entry.term.strip() else []
            pattern = rf"(?<!\w)(?:{'|'.join([*own, '(' + '|'.join(words) + ')'])})(?!\w)"
            found.append((re.compile(pattern, re.IGNORECASE), entry))
    return found


def _terms(part: Cited, at: str, avoided: Sequence[tuple[re.Pattern[str], GlossaryTerm]]) -> Iterator[Finding]:
    for pattern, entry in avoided:
        for word in dict.fromkeys(match[1] for match in pattern.finditer(part.text) if match[1]):
            message = f"{word!r} is to be avoided; write {entry.term!r}."
            yield Finding("TERM_AVOIDED", "warning", f"{at}/{part.part_id}", message)


def _citations(block: Block, at: str, known: set[str], constraints: Constraints) -> Iterator[Finding]:
    if isinstance(block, Opaque):
        return
    cited: set[str] = set()
    for part in cited_parts(block):
        for evidence_id in part.evidence_ids:
            if evidence_id not in known:
                yield Finding("EVIDENCE_MISSING", "error", f"{at}/{part.part_id}", f"There is no {evidence_id}.")
        if constraints.must_cite and not part.evidence_ids:
            message = "This must cite and does not; cite what says so."
            yield Finding("CITATION_MISSING", "error", f"{at}/{part.part_id}", message, text=part.text)
        cited.update(part.evidence_ids)
    wanted = constraints.min_citations_per_block
    if wanted is not None and len(cited) < wanted:
        figures = {"citations": str(len(cited)), "asked": str(wanted)}
        yield Finding("CITATIONS_FEW", "error", at, f"{len(cited)} citations, {wanted} are asked for.", figures)
