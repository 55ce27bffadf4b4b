"""Telling who sent actions which of them a finding is about: ids of what they would make say nothing to him."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lace_core.actions import Action, InsertBlock, InsertNode, ReplaceBlock
from lace_core.apply import Applied
from lace_core.errors import Detail, LaceError, Reason
from lace_core.ir import Block, ListBlock, Table, cited_parts
from lace_core.validate import Finding

_LONGEST_TOLD = 200
_MOST_TOLD = 50


def refusal(findings: Sequence[Finding], applied: Applied, actions: Sequence[Action]) -> LaceError:
    """IR_INVALID with every finding's code, what is wrong, and the words that it is about."""
    told = pointed(findings, applied, actions)
    rules = "1 rule" if len(told) == 1 else f"{len(told)} rules"
    return LaceError(
        Reason.IR_INVALID,
        f"{rules} would be broken. {_quoted(told[0])}{told[0].message}",
        details=[Detail(f.pointer, f"{f.code}: {_quoted(f)}{f.message}") for f in told[:_MOST_TOLD]],
    )


def pointed(findings: Sequence[Finding], applied: Applied, actions: Sequence[Action]) -> list[Finding]:
    """The findings, of which those about blocks and sections that the actions made point into the actions."""
    places = {a.key: place for place, a in enumerate(actions) if isinstance(a, InsertNode | InsertBlock | ReplaceBlock)}
    made = {change.subject_id: places[change.action_key] for change in applied.changes if change.action_key in places}
    blocks = {block.block_id: block for node in applied.artifact.nodes for block in node.blocks} if made else {}
    return [replace(finding, pointer=_pointer(finding.pointer, made, blocks)) for finding in findings]


def _pointer(pointer: str, made: Mapping[str, int], blocks: Mapping[str, Block]) -> str:
    match pointer.split("/"):
        case ["", "nodes", _, "blocks", block_id, *rest] if block_id in made and block_id in blocks:
            return "/".join(["", "actions", str(made[block_id]), "block", *_within(blocks[block_id], rest)])
        case ["", "nodes", node_id, "title"] if node_id in made:
            return f"/actions/{made[node_id]}/title"
    return pointer


def _within(block: Block, rest: Sequence[str]) -> list[str]:
    """The path of a part, which a finding names by its id, in the block as it was sent."""
    ids = [part.part_id for part in cited_parts(block)]
    if len(rest) != 1 or rest[0] not in ids:
        return list(rest)
    at = str(ids.index(rest[0]))
    if isinstance(block, Table):
        return ["rows", at]
    if isinstance(block, ListBlock):
        return ["items", at, "text"]
    return ["sentences", at, "text"] if hasattr(block, "sentences") else []


def _quoted(finding: Finding) -> str:
    text = " ".join(finding.text.split())
    return f"“{text[:_LONGEST_TOLD]}{'…' if len(text) > _LONGEST_TOLD else ''}”: " if text else ""
