"""The pages of differences: whole, escaped, and telling in words what colours repeat."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core import actions as act
from lace_core.apply import Policy, apply
from lace_core.diff import diff
from lace_core.differences.html import html_page
from lace_core.differences.markdown import markdown_page
from lace_core.differences.placed import Page, placed, worth_telling
from lace_core.differences.words import word_changes
from lace_core.ir import Artifact, Sentence
from tests.unit.lace_core.strategies import paragraph, planted

HOSTILE = "<script>alert(1)</script> **x** [y](z) \x1b[31m \u202e"


@given(st.text(), st.text())
def test_words_put_together_are_both_texts(before: str, after: str) -> None:
    found = list(word_changes(before, after))
    assert "".join(text for change, text in found if change != "added") == before
    assert "".join(text for change, text in found if change != "removed") == after


def test_words_that_stay_are_told_apart_from_those_that_do_not() -> None:
    assert list(word_changes("It cost 5 pounds.", "It cost 6 pounds.")) == [
        ("same", "It cost "), ("removed", "5"), ("added", "6"), ("same", " pounds."),
    ]  # fmt: skip
    assert [change for change, _ in word_changes("One thing.", "Wholly other words here!")] == ["removed", "added"]


def _changed(document: Artifact, *actions: act.Action) -> Artifact:
    applied = apply(
        document, act.Proposal(base_hash="", actions=actions), Policy(may_remove=True, on_conflict="rebase")
    )
    assert not applied.rejections
    return applied.artifact


def _page(before: Artifact, after: Artifact, **asked: str) -> Page:
    found = diff(before, after)
    differences = placed(found, before, after, **asked)  # type: ignore[arg-type]
    return Page("rev_1", "rev_2", after.title, differences, len(differences), 0, found.counts())


BASE = planted()
ONE, TWO, _ = BASE.children(BASE.root.node_id)
LATER = _changed(
    BASE,
    act.UpdateNode(key="u", node_id=ONE.node_id, title=HOSTILE),
    act.ReplaceBlock(key="r", block_id=ONE.blocks[0].block_id, block=paragraph("The pump failed twice.")),
    act.RemoveBlock(key="g", block_id=TWO.blocks[0].block_id),
)


def test_a_page_tells_each_change_in_its_section() -> None:
    html = html_page(_page(BASE, LATER))
    assert html.index("Root › &lt;script&gt;") < html.index("Root › Two")
    assert '<ins><span class="said"> added: </span> twice</ins>' in html
    assert '<del dir="auto">The pump failed.</del>' in html
    assert "<script" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert not re.search(r"\son\w+=|<(img|iframe|link|a)\b", html)
    assert "default-src 'none'" in html


def test_markdown_stays_what_it_says() -> None:
    text = markdown_page(_page(BASE, LATER))
    assert "- **changed** sentence (citations): The pump failed **twice**." in text
    assert "- **removed** sentence: ~~The pump failed.~~" in text
    assert "\\<script\\>" in text
    assert "\\*\\*x\\*\\*" in text
    assert "\x1b" not in text


def test_nothing_that_differs_is_said_so() -> None:
    assert "Nothing is different." in html_page(_page(BASE, BASE))
    assert "Nothing is different." in markdown_page(_page(BASE, BASE))


@pytest.mark.parametrize(("level", "subjects"), [("node", {"node"}), ("block", {"node", "block"})])
def test_less_is_shown_where_less_is_asked_for(level: str, subjects: set[str]) -> None:
    shown = _page(BASE, LATER, level=level).differences
    assert {one.difference.subject for one in shown} == subjects


def test_a_section_is_told_with_what_is_below_it() -> None:
    nested = BASE.children(ONE.node_id)[0]
    later = _changed(LATER, act.SetSummary(key="s", node_id=nested.node_id, summary="Short."))
    shown = _page(BASE, later, node_id=ONE.node_id).differences
    assert {one.difference.node_id for one in shown} == {ONE.node_id, nested.node_id}


def test_blocks_are_left_to_their_sentences() -> None:
    told = worth_telling(_page(BASE, LATER).differences)
    assert [one.difference.subject for one in told] == ["node", "sentence", "sentence"]
    assert isinstance(LATER.node(ONE.node_id).blocks[0].sentences[0], Sentence)  # type: ignore[union-attr]
