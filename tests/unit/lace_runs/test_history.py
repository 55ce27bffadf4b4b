"""Lineages of revisions, names, and who wrote what: rules without a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core.errors import LaceError, Reason
from lace_core.ir import Paragraph, Sentence, cited_parts
from lace_runs.domain.history.blame import Line, Version, introduced
from lace_runs.domain.history.lineage import Ancestry, Lineage
from lace_runs.domain.history.refs import check_name

_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def _lineage(parents: Mapping[str, Sequence[str]], days: Mapping[str, int] | None = None) -> Lineage:
    """Revisions made one a day, in the order in which they are named, unless they say another."""
    at = {ident: (days or {}).get(ident, day) for day, ident in enumerate(parents)}
    return Lineage([Ancestry(i, tuple(p), _DAY + timedelta(days=at[i])) for i, p in parents.items()])


#   a ─ b ─ c ─ f ─ g      f merges e into c
#       └ d ─ e ┘
_MERGED = {"a": (), "b": "a", "c": "b", "d": "b", "e": "d", "f": ("c", "e"), "g": "f"}


def test_a_history_has_each_revision_before_those_that_it_came_of() -> None:
    assert _lineage(_MERGED).newest_first("g") == ["g", "f", "e", "d", "c", "b", "a"]
    assert _lineage(_MERGED).newest_first("c") == ["c", "b", "a"]
    # whatever the clocks said
    turned = _lineage(_MERGED, {"a": 9, "g": 0}).newest_first("g")
    assert (turned[0], turned[-1]) == ("g", "a")


def test_what_two_revisions_have_in_common() -> None:
    lineage = _lineage(_MERGED)
    assert lineage.merge_base("c", "e") == "b"
    assert lineage.merge_base("g", "e") == "e"
    assert lineage.merge_base("a", "g") == "a"
    assert lineage.merge_base("g", "none") == ""
    assert _lineage({"a": (), "b": ()}).merge_base("a", "b") == ""
    assert lineage.apart("e", "c") == (2, 1)
    assert lineage.parent("f") == "c"
    assert lineage.parent("a") == ""


def test_of_branches_merged_both_ways_the_newest_common_one_counts() -> None:
    crossed = {"a": (), "b": "a", "c": "a", "d": ("b", "c"), "e": ("c", "b")}
    assert _lineage(crossed).merge_base("d", "e") == "c"


@given(st.integers(0, 2**32))
def test_every_history_is_whole_and_in_order(seed: int) -> None:
    draw = Random(seed)
    parents: dict[str, tuple[str, ...]] = {}
    for number in range(draw.randint(1, 30)):
        parents[f"r{number}"] = tuple(draw.sample(list(parents), min(len(parents), draw.choice((1, 1, 2)))))
    lineage = _lineage(parents, {ident: draw.randint(0, 9) for ident in parents})
    for head in parents:
        order = lineage.newest_first(head)
        assert sorted(order) == sorted(lineage.ancestors(head))
        place = {ident: at for at, ident in enumerate(order)}
        assert all(place[ident] < place[parent] for ident in order for parent in parents[ident])


def _block(*texts: str) -> Paragraph:
    sentences = tuple(Sentence(sentence_id=f"sen_{text}", text=text) for text in texts)
    return Paragraph(block_id="blk_1", sentences=sentences)


def _lines(block: Paragraph) -> list[Line]:
    return [Line("nod_1", "One", part, ()) for part in cited_parts(block)]


def test_a_sentence_is_its_first_revision_s_whatever_its_block_became() -> None:
    versions = {
        "blk_1": [
            Version(_block("one", "two"), frozenset({"a"})),
            Version(_block("one", "TWO"), frozenset({"b"})),
            Version(_block("one", "TWO", "three"), frozenset({"f"})),
            Version(_block("one", "three"), frozenset({"e", "x"})),  # x is of another branch
        ]
    }
    found = introduced(_lines(_block("one", "TWO", "three")), versions, _lineage(_MERGED).newest_first("f"))
    assert list(found.values()) == ["a", "b", "e"]
    assert list(introduced(_lines(_block("four")), versions, ["a"]).values()) == [""]


@pytest.mark.parametrize("name", ["a", "board-draft", "v1.2", "2026_Q1", "A" * 100])
def test_names_that_are_good(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "main",
        "Main",
        "HEAD",
        "rev_1",
        ".a",
        "-a",
        "a.",
        "a..b",
        "a/b",
        "a b",
        "a\n",
        "a\x00",
        "ä",
        "\u202ea",
        "A" * 101,
    ],
)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(LaceError) as refused:
        check_name(name)
    assert refused.value.reason is Reason.REF_NAME_INVALID
    assert refused.value.message.isprintable()
