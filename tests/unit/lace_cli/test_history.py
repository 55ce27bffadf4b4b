"""`lace log|blame|branch|merge|tag` and `lace diff` of documents: what they ask, what they print, their exit codes."""

from __future__ import annotations

from pathlib import Path

from lace_cli.failures import FAILED, NOT_FOUND, WRONG_USE
from tests.doubles.scripted_api import ScriptedApi
from tests.unit.lace_cli.conftest import Lace

ART = "/v1/artifacts/art_1"
HOSTILE = "\x1b[31mred \u202eback"
CONFLICT = {
    "conflict_id": "cfl_1", "kind": "field", "subject": "node", "subject_id": "nod_1", "field": "title",
    "base": "One", "ours": HOSTILE, "theirs": None, "takes_value": True,
}  # fmt: skip
MET = {"outcome": "conflicts", "conflicts": [CONFLICT], "total_conflicts": 2}


def test_conflicts_are_shown_with_what_to_do_about_them(api: ScriptedApi, lace: Lace) -> None:
    api.on("POST", f"{ART}:merge", MET)
    told = lace("merge", "art_1", "draft", "--resolve", 'cfl_9="So"', "-m", "Why")
    assert told.code == FAILED
    assert api.last("POST").json == {
        "from": "draft", "into": "main", "message": "Why",
        "resolutions": [{"conflict_id": "cfl_9", "choice": "value", "value": "So"}],
    }  # fmt: skip
    assert told.out.splitlines()[:4] == [
        "✗ cfl_1  field: node nod_1 title",
        "    base    One",
        "    ours    \u241b[31mred \\u{202e}back",
        "    theirs  (not there)",
    ]
    assert "2 conflicts (and 1 more); nothing was changed." in told.out
    assert "--resolve cfl_1=theirs" in told.out


def test_taking_a_side_settles_what_was_met(api: ScriptedApi, lace: Lace) -> None:
    api.on("POST", f"{ART}:merge", MET)
    assert lace("merge", "art_1", "draft", "--take", "theirs", "--json").code == FAILED  # it still says conflicts
    assert api.last("POST").json["resolutions"] == [{"conflict_id": "cfl_1", "choice": "theirs"}]


def test_a_resolution_that_is_no_json_is_not_sent(api: ScriptedApi, lace: Lace) -> None:
    told = lace("merge", "art_1", "draft", "--resolve", "cfl_1=So")
    assert told.code == WRONG_USE
    assert "is no JSON" in told.err
    assert not api.asked


def test_a_log_says_who_and_why_and_how_much(api: ScriptedApi, lace: Lace) -> None:
    merged = {"revision_id": "rev_3", "parent_revision_id": "rev_1", "second_parent_revision_id": "rev_2"}
    entries = [
        {"revision": {**merged, "created_by": "prn_1", "created_at": "2026-11-01T10:00:00Z"}, "branches": ["main"]},
        {
            "revision": {"revision_id": "rev_2", "created_by": "prn_1", "run_id": "run_1",
                         "created_at": "2026-10-01T10:00:00Z"},
            "pipeline_id": "generate", "reason": HOSTILE, "counts": {"block.replaced": 2, "node.added": 1},
            "tags": ["as-sent"],
        },
    ]  # fmt: skip
    api.on("GET", f"{ART}/log", {"entries": entries})
    told = lace("log", "art_1", "--ref", "draft", "--of", "nod_1")
    assert told.out.splitlines() == [
        "◆ rev_3  (main)",
        "│ 2026-11-01 10:00  prn_1",
        "│ merged rev_2 into rev_1",
        "│ nothing changed",
        "│",
        "● rev_2  (tag: as-sent)",
        "│ 2026-10-01 10:00  prn_1 by generate (run_1)",
        "│ \u241b[31mred \\u{202e}back",
        "│ 2 blocks changed, 1 section added",
        "│",
    ]
    assert api.last("GET").query == {"ref": ["draft"], "subject_id": ["nod_1"]}


def test_blame_shows_sentences_with_their_makers_and_quotes(api: ScriptedApi, lace: Lace) -> None:
    line = {
        "node_id": "nod_1", "node_title": "Costs", "text": "It cost ten pounds.", "revision_id": "rev_1",
        "created_at": "2026-10-01T10:00:00Z", "pipeline_id": "generate",
        "evidence": [{"evidence_id": "evd_1", "source_id": "src_1", "quote": "It cost ten pounds."}],
        "verdict": {"standing": "verified"},
    }  # fmt: skip
    api.on("GET", f"{ART}/blame", {"lines": [line, {**line, "text": HOSTILE, "verdict": {"standing": "authored"}}]})
    told = lace("blame", "art_1", "--evidence")
    assert "✓ It cost ten pounds." in told.out
    assert "“It cost ten pounds.”  src_1" in told.out
    assert "◇ \u241b[31mred" in told.out
    assert "\x1b" not in told.out


def test_a_diff_of_a_document_has_its_headings_and_words(api: ScriptedApi, lace: Lace, tmp_path: Path) -> None:
    changed = {
        "subject": "sentence", "change": "changed", "block_id": "blk_1", "heading_path": ["Report", "Costs"],
        "before_text": "It cost 5 pounds.", "after_text": "It cost 6 pounds.", "fields": ["text"],
    }  # fmt: skip
    block = {"subject": "block", "change": "changed", "block_id": "blk_1", "heading_path": ["Report", "Costs"]}
    answer = {
        "from_revision_id": "rev_1", "to_revision_id": "rev_2", "differences": [block, changed], "total": 2,
        "counts": {"sentence.changed": 1, "block.changed": 1},
    }  # fmt: skip
    api.on("GET", f"{ART}/diff", answer)
    told = lace("diff", "art_1", "as-sent", "main", "--exit-code")
    assert told.code == FAILED
    assert told.out.splitlines() == [
        "rev_1 → rev_2",
        "  1 block changed, 1 sentence changed",
        "",
        "Report › Costs",
        "~ sentence: It cost [-5-]{+6+} pounds.",
    ]
    assert api.last("GET").query == {"from": ["as-sent"], "to": ["main"]}
    assert len(lace("diff", "art_1", "--level", "summary").out.splitlines()) == 2
    page = tmp_path / "changes.html"
    assert lace("diff", "art_1", "--html", str(page)).code == 0
    assert api.last("GET").query["format"] == ["html"]


def test_one_verb_for_two_kinds_says_which_is_which(api: ScriptedApi, lace: Lace) -> None:
    for arguments in (("art_1", "--level", "impact"), ("a.md", "--level", "node"), ("a.md", "b.md", "c.md")):
        told = lace("diff", *arguments)
        assert told.code == WRONG_USE
        assert "lace diff art_… BEFORE AFTER" in told.err
    assert not api.asked


def test_names_are_listed_made_and_taken_away(api: ScriptedApi, lace: Lace) -> None:
    branch = {"name": "draft", "head_revision_id": "rev_1", "ahead": 2, "behind": 1}
    api.on("GET", f"{ART}/branches", {"branches": [branch]})
    api.on("POST", f"{ART}/branches", branch, status=201)
    api.on("DELETE", f"{ART}/branches/draft", branch)
    api.on("POST", f"{ART}/tags", {"name": "as-sent", "revision_id": "rev_1"}, status=201)
    assert lace("branch", "art_1").out == "draft\trev_1\t+2 -1\n"
    lace("branch", "art_1", "draft", "--from", "as-sent")
    assert api.last("POST").json == {"name": "draft", "from": "as-sent"}
    assert "Begin it again: lace branch art_1 draft --from rev_1" in lace("branch", "art_1", "draft", "--delete").out
    assert lace("tag", "art_1", "as-sent").out == "as-sent is rev_1.\n"
    assert lace("branch", "art_1", "--delete").code == WRONG_USE
    api.refuse("GET", f"{ART}/log", 404, "REF_NOT_FOUND", "art_1 has no branch or tag x.")
    told = lace("log", "art_1", "--ref", "x")
    assert (told.code, "lace branch ARTIFACT" in told.err) == (NOT_FOUND, True)
