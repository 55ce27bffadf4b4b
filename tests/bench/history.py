"""What the history of a document costs as it grows: log, blame, diff and merge through REST, and merging by itself."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from lace_core import actions as act
from lace_core.apply import Policy, apply
from lace_core.ir import Artifact
from lace_core.merging import three_way
from tests.bench.apply_program import document
from tests.bench.figures import Figure
from tests.bench.processes import scratch
from tests.bench.server import running

REVISIONS = tuple(map(int, os.environ.get("LACE_BENCH_REVISIONS", "100,1000").split(",")))
BLOCKS = tuple(map(int, os.environ.get("LACE_BENCH_MERGE_BLOCKS", "1000,10000").split(",")))
_SECTIONS = 20
_CHANGES = 20


def measure(rounds: int, revisions: Sequence[int] = REVISIONS, blocks: Sequence[int] = BLOCKS) -> list[Figure]:
    """Milliseconds, by the number of revisions and by the number of blocks."""
    figures = []
    for size in blocks:
        three = _three(size)
        spent = [_timed(lambda three=three: three_way(*three)) * 1000 for _ in range(rounds)]  # type: ignore[misc]
        what = f"three_way of {size:,} blocks, {_CHANGES} changed on each side"
        figures.append(Figure(what, "ms", spent, 1))
    with scratch() as folder, running(folder, LACE_LOG_LEVEL="warning") as places:
        headers = {"authorization": f"Bearer {places.token}"}
        address = f"http://127.0.0.1:{places.gateway_port}"
        with httpx.Client(base_url=address, headers=headers, timeout=60) as api:
            for size in revisions:
                figures += _of_revisions(api, rounds, size)
    return figures


def _of_revisions(api: httpx.Client, rounds: int, revisions: int) -> list[Figure]:
    path = _grown(api, revisions)
    asked: dict[str, Callable[[], object]] = {
        "log, 50 revisions": lambda: _checked(api.get(f"{path}/log")),
        "blame, 100 sentences": lambda: _checked(api.get(f"{path}/blame")),
        "diff of the last two": lambda: _checked(api.get(f"{path}/diff")),
    }
    found = []
    for name, ask in asked.items():
        ask()
        spent = [_timed(ask) * 1000 for _ in range(rounds)]
        found.append(Figure(f"{revisions:,} revisions: {name}", "ms", spent, 1))
    merges = [_merge_of(api, path) for _ in range(rounds)]
    found.append(Figure(f"{revisions:,} revisions: merge of a branch", "ms", merges, 1))
    return found


def _grown(api: httpx.Client, revisions: int) -> str:
    """A document of twenty sections with a paragraph each, one sentence of which each revision rewrites."""
    made = _checked(api.post("/v1/artifacts", json={"title": "Report"}, headers=_key()))
    path = f"/v1/artifacts/{made['artifact_id']}"
    root = _patch(api, path, {"insert_node": {"title": "Report"}})["changes"][0]["subject_id"]
    nodes = [{"insert_node": {"parent_id": root, "title": f"Section {n}"}} for n in range(_SECTIONS)]
    idents = [change["subject_id"] for change in _patch(api, path, *nodes)["changes"]]
    blocks = [_inserted(ident, *(f"Sentence {n}." for n in range(10))) for ident in idents]
    blocks_of = [c["subject_id"] for c in _patch(api, path, *blocks)["changes"] if c["subject_id"].startswith("blk_")]
    for number in range(revisions - 3):
        texts = (*(f"Sentence {n}." for n in range(9)), f"Rewritten {number}.")
        replaced = {"block_id": blocks_of[number % _SECTIONS], "block": _paragraph(*texts)}
        _patch(api, path, {"replace_block": replaced})
    return path


def _merge_of(api: httpx.Client, path: str) -> float:
    """Milliseconds of merging a branch of one change into main, which has one of its own."""
    name = f"b{uuid.uuid4().hex[:8]}"
    _checked(api.post(f"{path}/branches", json={"name": name}, headers=_key()))
    nodes = _checked(api.get(path))["nodes"]
    _patch(api, path, {"set_summary": {"node_id": nodes[1]["node_id"], "summary": name}}, branch=name)
    _patch(api, path, {"set_summary": {"node_id": nodes[2]["node_id"], "summary": name}})

    def merge() -> None:
        answer = _checked(api.post(f"{path}:merge", json={"from": name}, headers=_key()))
        if answer["outcome"] != "merged":
            raise RuntimeError(str(answer))

    return _timed(merge) * 1000


def _three(blocks: int) -> tuple[Artifact, Artifact, Artifact]:
    base = document(blocks)
    ids = [block.block_id for node in base.nodes for block in node.blocks]
    step = len(ids) // (2 * _CHANGES) or 1
    sides = []
    for side in range(2):
        chosen = ids[side::step][:_CHANGES]
        actions = tuple(act.RemoveBlock(key=f"{side}/{ident}", block_id=ident) for ident in chosen)
        policy = Policy(may_remove=True, on_conflict="rebase")
        sides.append(apply(base, act.Proposal(base_hash="", actions=actions), policy).artifact)
    return base, sides[0], sides[1]


def _patch(api: httpx.Client, path: str, *actions: dict[str, Any], **more: Any) -> Any:
    keyed = [{"idempotency_key": uuid.uuid4().hex, **action} for action in actions]
    return _checked(api.patch(path, json={"actions": keyed, **more}, headers=_key()))


def _inserted(node_id: str, *texts: str) -> dict[str, Any]:
    return {"insert_block": {"node_id": node_id, "block": _paragraph(*texts)}}


def _paragraph(*texts: str) -> dict[str, Any]:
    return {"paragraph": {"sentences": [{"text": text} for text in texts]}}


def _checked(answer: httpx.Response) -> Any:
    if not answer.is_success:
        raise RuntimeError(answer.text)
    return answer.json()


def _key() -> dict[str, str]:
    return {"idempotency-key": uuid.uuid4().hex}


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
