"""In a process of its own: a document of so many blocks is changed, hashed and compared; the figures go to stdout."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import psutil

from lace_core import actions as act
from lace_core import ir
from lace_core.apply import Policy, apply
from lace_core.canonical import sha256_hex
from lace_core.diff import diff
from lace_core.merkle import content_hash, ir_hash
from lace_core.order import spread

T = TypeVar("T")

ACTIONS = 1000
_BLOCKS_PER_NODE = 10
_SENTENCES = 3


def document(blocks: int) -> ir.Artifact:
    """A document of so many paragraphs of three cited sentences, ten in a section, each with evidence of its own."""
    sections = max(1, blocks // _BLOCKS_PER_NODE)
    root = ir.Node(node_id="nod_root", parent_id=None, order_key="i", title="Report on the pumping stations")
    source = ir.Source(source_id="src_1", version="v1", filename="log.md", title="Log", media_type="text/markdown")
    nodes = [_section(number, key) for number, key in enumerate(spread(sections))]
    return ir.Artifact(artifact_id="art_bench", title=root.title, nodes=(root, *nodes), sources=(source,))


def _section(number: int, order_key: str) -> ir.Node:
    places = range(_BLOCKS_PER_NODE)
    return ir.Node(
        node_id=f"nod_{number}",
        parent_id="nod_root",
        order_key=order_key,
        title=f"Station {number}",
        state=ir.NodeState.DRAFT,
        blocks=tuple(_paragraph(number, place, f"blk_{number}_{place}", "") for place in places),
        evidence=tuple(_evidence(number, place) for place in places),
    )


def _evidence(number: int, place: int) -> ir.Evidence:
    quote = f"Pump {place} of station {number} failed after {1000 + place} hours of operation."
    return ir.Evidence(
        evidence_id=f"evd_{number}_{place}",
        source_id="src_1",
        source_version="v1",
        unit_id=f"unt_{number}",
        extraction="x1",
        start=0,
        end=len(quote),
        quote=quote,
        quote_hash=sha256_hex(quote.encode()),
    )


def _paragraph(number: int, place: int, block_id: str, more: str) -> ir.Paragraph:
    sentences = tuple(
        ir.Sentence(
            sentence_id=f"sen_{number}_{place}_{at}",
            text=f"Pump {place} of station {number} failed after {1000 + place} hours of operation{more}.",
            evidence_ids=(f"evd_{number}_{place}",),
        )
        for at in range(_SENTENCES)
    )
    return ir.Paragraph(block_id=block_id, sentences=sentences)


def actions(blocks: int, count: int) -> tuple[act.Action, ...]:
    """So many actions all over the document: two replace a block, one adds one, one changes a summary, and again."""
    sections = max(1, blocks // _BLOCKS_PER_NODE)
    made: list[act.Action] = []
    for index in range(count):
        number, place = (index * 7) % sections, index % _BLOCKS_PER_NODE
        key = f"key-{index}"
        block = _paragraph(number, place, "", f", as the log has it ({index})")
        if index % 4 < 2:
            made.append(act.ReplaceBlock(key=key, block_id=f"blk_{number}_{place}", block=block))
        elif index % 4 == 2:
            made.append(
                act.InsertBlock(key=key, node_id=f"nod_{number}", block=block, evidence=(_evidence(number, place),))
            )
        else:
            made.append(act.SetSummary(key=key, node_id=f"nod_{number}", summary=f"It failed ({index})."))
    return tuple(made)


def measure(blocks: int) -> dict[str, float]:
    """Milliseconds and megabytes by what was done."""
    process = psutil.Process()
    found: dict[str, float] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        begun = time.perf_counter()
        result = work()
        found[f"{name}, ms"] = (time.perf_counter() - begun) * 1000
        return result

    def held(name: str, before: int) -> None:
        gc.collect()
        found[f"{name}, MB"] = (process.memory_info().rss - before) / 1e6

    data = ir.encode(document(blocks))
    found["document as JSON, MB"] = len(data) / 1e6
    proposal = act.Proposal(base_hash="", actions=actions(blocks, ACTIONS))
    one = act.Proposal(base_hash="", actions=actions(blocks, 1))
    policy = Policy(may_remove=True, on_conflict="overwrite")
    gc.collect()
    bare = process.memory_info().rss
    base = timed("read", lambda: ir.decode(data))
    held("held: document", bare)
    timed("ir_hash, nothing known", lambda: ir_hash(base))
    timed("content_hash, nothing known", lambda: content_hash(base))
    timed("apply 1 action, nothing known", lambda: apply(base, one, policy))
    held("held: document with its hashes and index", bare)
    changed = timed("apply 1 action", lambda: apply(base, one, policy)).artifact
    timed("ir_hash after 1 action", lambda: ir_hash(changed))
    timed("content_hash after 1 action", lambda: content_hash(changed))
    few = timed("diff, 1 block differs", lambda: diff(base, changed))
    before = process.memory_info().rss
    applied = timed(f"apply {ACTIONS} actions", lambda: apply(base, proposal, policy))
    held(f"more held after {ACTIONS} actions", before)
    timed(f"ir_hash after {ACTIONS} actions", lambda: ir_hash(applied.artifact))
    many = timed(f"diff after {ACTIONS} actions", lambda: diff(base, applied.artifact))
    if applied.rejections or not few.differences or len(many.differences) < ACTIONS // 2:
        raise SystemExit(f"the actions did not do what they are to: {applied.rejections[:1]}")
    return found


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
