"""`lace diff` and `lace impact`: what they ask, what they print, the page that they write, and their exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lace_cli.printable import printable, visible
from tests.doubles.scripted_api import ScriptedApi
from tests.unit.lace_cli.conftest import Lace

HOSTILE = "<script>alert('x')</script> \x1b[31mred\x07 \u202eback"
BEFORE = {"source_id": "src_1", "filename": "a.md", "version": 1, "series_id": "src_1"}
AFTER = {"source_id": "src_2", "filename": HOSTILE, "version": 2, "series_id": "src_1"}
CHANGED = {
    "change": "changed",
    "kind": "paragraph",
    "before": "It cost 10.",
    "after": "It cost 12.",
    "words": [
        {"change": "unchanged", "text": "It cost "}, {"change": "removed", "text": "10"},
        {"change": "added", "text": "12"}, {"change": "unchanged", "text": "."},
    ],
}  # fmt: skip
SUMMARY = {
    "paragraphs": {"changed": 1, "unchanged": 4},
    "units": {"changed": 1},
    "citations": {"stands": 2, "changed": 1, "artifacts": 1},
}
IMPACT = {
    "citation": {
        "artifact_id": "art_1", "artifact_title": "Costs", "node_title": HOSTILE,
        "evidence": {"source_id": "src_1", "unit_id": "unt_1", "quote": "It cost 10."},
        "parts": [{"block_id": "blk_1", "part_id": "sen_1", "text": "It cost ten pounds."}],
    },
    "standing": "changed", "unit_change": "changed", "source_id": "src_2", "unit_id": "unt_2",
    "span": {"start": 0, "end": 11}, "text": "It cost 12.", "similarity": 750,
}  # fmt: skip
UNIT = {
    "change": "changed", "similarity": 750, "fields": ["text", "table"],
    "before": {"unit_id": "unt_1", "text": "x"}, "after": {"unit_id": "unt_2", "text": "y", "heading_path": ["Cost"]},
    "cells": [
        {"change": "changed", "before_row": 0, "after_row": 0, "column": "cost", "before": "10", "after": HOSTILE}
    ],
}  # fmt: skip


def _sources(summary: dict[str, Any] = SUMMARY) -> dict[str, Any]:
    return {
        "before": BEFORE, "after": AFTER, "summary": summary, "units": [UNIT], "citations": [IMPACT],
        "passages": [CHANGED, {"skipped": 4, "change": "unchanged"}],
    }  # fmt: skip


@pytest.fixture
def compared(api: ScriptedApi) -> ScriptedApi:
    api.on("GET", "/v1/sources/src_2/diff", _sources())
    return api


def test_the_counts_are_told_first(compared: ScriptedApi, lace: Lace) -> None:
    told = lace("diff", "src_1", "src_2")
    assert told.code == 0
    assert told.out.splitlines()[1:4] == [
        "  text       1 changed, 4 unchanged",
        "  units      1 changed",
        "  citations  2 stand, 1 changed; documents touched: 1",
    ]
    assert compared.asked[0].query == {"against": ["src_1"]}


def test_a_source_alone_is_compared_with_the_version_before(compared: ScriptedApi, lace: Lace) -> None:
    compared.on("GET", "/v1/sources", {"sources": [{**AFTER, "filename": "b.md"}, {**BEFORE, "filename": "b.md"}]})
    assert lace("diff", "b.md").code == 0
    assert [(asked.path, dict(asked.query)) for asked in compared.asked[1:]] == [("/v1/sources/src_2/diff", {})]


def test_changed_words_stand_in_brackets(compared: ScriptedApi, lace: Lace) -> None:
    told = lace("diff", "src_1", "src_2", "--level", "document", "--context", "3")
    assert "~ It cost [-10-]{+12+}." in told.out
    assert "@@ 4 unchanged @@" in told.out
    assert compared.asked[1].query == {"against": ["src_1"], "level": ["document"], "context": ["3"]}


def test_cells_and_citations_are_told_at_their_levels(compared: ScriptedApi, lace: Lace) -> None:
    told = lace("diff", "src_1", "src_2", "--level", "all", "--all")
    assert "~ unt_1 → unt_2  Cost  (text, table)  75 % alike" in told.out
    assert "~ row 1, cost: 10 → " in told.out
    assert "now    It cost 12.  (75 % alike)" in told.out
    assert [asked.query["level"] for asked in compared.asked[1:]] == [["document"], ["extraction"], ["impact"]]
    assert all(asked.query["unchanged"] == ["true"] for asked in compared.asked[1:])


def test_nothing_foreign_steers_the_terminal(compared: ScriptedApi, lace: Lace) -> None:
    told = lace("diff", "src_1", "src_2", "--level", "all")
    plain = re.sub(r"\x1b\[\d+m", "", told.out)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e]", plain)
    assert "␛[31mred␇ \\u{202e}back" in plain
    assert "\x1b[31mred" not in told.out


def test_the_page_needs_and_runs_nothing(compared: ScriptedApi, lace: Lace) -> None:
    told = lace("diff", "src_1", "src_2", "--html", "changes.html")
    assert told.out == "Written: changes.html\n"
    page = Path("changes.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; ␛[31mred␇ \\u{202e}back" in page
    assert not re.search(r'(src|href)="(?!#|http://127)', page)
    assert "default-src 'none'" in page
    assert '<del><span class="said"> removed: </span>10</del>' in page
    assert '<a href="#unt_1">“It cost 10.”</a>' in page
    assert '<span id="unt_1"></span><span id="unt_2"></span>' in page
    assert [asked.query.get("level") for asked in compared.asked] == [None, ["document"], ["extraction"], ["impact"]]


def test_exit_codes_are_those_of_diff(api: ScriptedApi, compared: ScriptedApi, lace: Lace) -> None:
    assert lace("diff", "src_1", "src_2", "--exit-code").code == 1
    api.on("GET", "/v1/sources/src_2/diff", _sources({"paragraphs": {"unchanged": 4}, "units": {"unchanged": 1}}))
    assert lace("diff", "src_1", "src_2", "--exit-code").code == 0


def test_programs_get_json(compared: ScriptedApi, lace: Lace) -> None:
    found = json.loads(lace("diff", "src_1", "src_2", "--level", "extraction", "--json").out)
    assert found["before"]["source_id"] == "src_1"
    assert found["summary"]["paragraphs"]["changed"] == 1
    assert [unit["similarity"] for unit in found["units"]] == [750]


def test_versions_of_a_bundle_are_compared_source_by_source(compared: ScriptedApi, lace: Lace) -> None:
    change = {"change": "changed", "before": BEFORE, "after": AFTER, "summary": {"paragraphs": {"changed": 1}}}
    gone = {"change": "removed", "before": {**BEFORE, "filename": "gone.md"}}
    answer = {"from": 1, "to": 2, "counts": {"changed": 1, "removed": 1}, "sources": [change, gone]}
    compared.on("GET", "/v1/bundles/dossier/diff", answer)
    told = lace("diff", "dossier@1", "dossier@2", "--exit-code")
    assert told.code == 1
    lines = told.out.splitlines()
    assert lines[:2] == ["dossier@1 → dossier@2", "  sources    1 changed, 1 removed"]
    assert lines[-1] == "- gone.md v1 (src_1)"
    assert compared.asked[0].query == {"from": ["1"], "to": ["2"]}
    assert lace("diff", "dossier@2").code == 0
    assert compared.asked[1].query == {"to": ["2"]}
    assert lace("diff", "dossier@1", "dossier@2", "--html", "page.html").code == 0
    assert '<section id="src_2">' in Path("page.html").read_text(encoding="utf-8")


def test_two_bundles_are_no_versions_of_one(api: ScriptedApi, lace: Lace) -> None:
    told = lace("diff", "one@1", "two@2")
    assert (told.code, "BUNDLE_NAME_INVALID" in told.err) == (2, True)


def test_a_name_that_several_documents_have_is_not_guessed(api: ScriptedApi, lace: Lace) -> None:
    sources = [{**BEFORE, "filename": "b.md"}, {**AFTER, "filename": "b.md", "series_id": "src_2"}]
    api.on("GET", "/v1/sources", {"sources": sources})
    told = lace("diff", "b.md")
    assert (told.code, "SOURCE_NAME_AMBIGUOUS" in told.err) == (2, True)
    told = lace("diff", "c.md")
    assert (told.code, "SOURCE_NOT_FOUND" in told.err) == (5, True)


def test_impact_tells_what_of_a_document_is_stale(api: ScriptedApi, lace: Lace) -> None:
    api.on("GET", "/v1/provenance/impact", {"citations": [IMPACT], "sources": [BEFORE, AFTER]})
    told = lace("impact", "art_1", "--exit-code")
    assert told.code == 1
    assert "says   It cost ten pounds." in told.out
    assert api.asked[0].query == {"artifact_id": ["art_1"]}
    api.on("GET", "/v1/provenance/impact", {"citations": [{**IMPACT, "standing": "stands"}]})
    told = lace("impact", "src_1", "--all", "--exit-code")
    assert (told.code, told.out.splitlines()[-1]) == (
        0, "Nothing is stale: every citation stands in the newest version of its source.",
    )  # fmt: skip
    assert api.asked[1].query == {"from": ["src_1"], "unchanged": ["true"]}


def test_what_steers_is_made_visible() -> None:
    assert printable("a\n\tb \x00\x7f\x9b\u200b\ud800é") == "a b ␀␡\\u{9b}\\u{200b}\\u{d800}é"
    assert visible("a\n  b\tc") == "a   b c"
