"""`lace revisions|rollback|verify` against an API that answers as it is told."""

from __future__ import annotations

from typing import Any

from lace_cli.failures import FAILED
from tests.doubles.scripted_api import ScriptedApi
from tests.unit.lace_cli.conftest import Lace, story

ROLLBACK = "/v1/artifacts/art_1:rollback"
HEADS = {"revision_id": "rev_1", "head_revision_id": "rev_2"}


def _difference(subject: str, change: str, **values: Any) -> dict[str, Any]:
    return {"subject": subject, "change": change, "subject_id": "x", "node_id": "nod_1", **values}


def test_a_dry_run_shows_what_would_change(api: ScriptedApi, lace: Lace) -> None:
    differences = [
        _difference("node", "changed", before_text="Cost", after_text="Costs", fields=["title"]),
        _difference("block", "changed", block_id="blk_1", before_text="One.\nTwo.", after_text="One.\n2."),
        _difference("sentence", "changed", block_id="blk_1", before_text="Two.", after_text="2.", fields=["text"]),
        _difference("block", "removed", block_id="blk_2", before_text="x = 1"),
        _difference("block", "moved", block_id="blk_3", before_text="A", after_text="A"),
    ]
    diff = {"differences": differences, "total": 7, "counts": {"node.changed": 1, "sentence.changed": 1}}
    api.on("POST", ROLLBACK, {**HEADS, "diff": diff})
    told = lace("rollback", "art_1", "rev_1", "--dry-run", "--if-match", "rev_2")
    assert told.code == 0, told.err
    assert api.last("POST").json == {"revision_id": "rev_1", "dry_run": True}
    assert api.last("POST").headers["if-match"] == '"rev_2"'
    assert told.out.splitlines() == [
        "From the head rev_2 to rev_1:",
        "~ node: Cost",
        "      → Costs",
        "~ sentence in nod_1: Two.",
        "                   → 2.",
        "- block in nod_1: x = 1",
        "> block in nod_1: A",
        "… and 2 more.",
        "1 node changed, 1 sentence changed. Nothing was changed; leave out --dry-run to go back.",
    ]


def test_it_follows_the_run_and_says_how_to_undo_it(api: ScriptedApi, lace: Lace) -> None:
    api.on("POST", ROLLBACK, {**HEADS, "run_id": "run_1"}, status=202)
    api.stream("/v1/runs/run_1/stream", story())
    told = lace("rollback", "art_1", "rev_1", "--reason", "Wrong figures")
    assert told.code == 0, told.err
    assert api.last("POST").json == {"revision_id": "rev_1", "reason": "Wrong figures"}
    assert "Undo: lace rollback art_1 rev_2" in told.out


def test_where_nothing_is_to_be_done_it_says_so(api: ScriptedApi, lace: Lace) -> None:
    api.on("POST", ROLLBACK, {**HEADS, "unchanged": True})
    assert "already" in lace("rollback", "art_1", "rev_1").out


def test_revisions_are_listed(api: ScriptedApi, lace: Lace) -> None:
    revision = {"revision_id": "rev_1", "status": "committed", "run_id": "run_1", "ir_hash": "a" * 64}
    api.on("GET", "/v1/artifacts/art_1/revisions", {"revisions": [revision]})
    assert lace("revisions", "art_1").out.split("\t")[0::3] == ["rev_1", "run_1"]


def test_verify_names_the_damage_and_says_it_in_the_exit_code(api: ScriptedApi, lace: Lace) -> None:
    damage = {"code": "IR_CORRUPT", "subject": "rev_1", "message": "Altered.", "remedy": "Restore."}
    api.on("GET", "/v1/artifacts/art_1:verify", {"intact": False, "checked": 2, "damages": [damage]})
    api.on("GET", "/v1/runs/run_1:verify", {"intact": True, "checked": 9})
    told = lace("verify", "art_1")
    assert (told.code, told.out) == (FAILED, "IR_CORRUPT  rev_1: Altered.\n    Restore.\n")
    assert lace("verify", "run_1").out == "9 things compared; nothing is damaged.\n"
