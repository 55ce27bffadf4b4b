"""What follows in other words: each rule with what it is for, and with what it must not let pass."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lace_core.evaluation.pairs import decode, quotes_of
from lace_core.verification.grounding import Verdict, verify

_GOLDEN = Path(__file__).parents[2] / "golden"
CASES: list[tuple[str, str, list[str], list[str]]] = [
    (own["rule"], own["quote"], own["follows"], own["does_not"])
    for own in json.loads((_GOLDEN / "grounding" / "rules" / "inferring.json").read_text())["rules"]
]


def supported(sentence: str, *quotes: str) -> bool:
    return verify(sentence, quotes).verdict is Verdict.SUPPORTED


@pytest.mark.parametrize(("rule", "quote", "follows", "does_not"), CASES, ids=lambda own: str(own)[:40])
def test_a_rule_finds_the_other_wording_and_no_other_statement(
    rule: str, quote: str, follows: list[str], does_not: list[str]
) -> None:
    assert [sentence for sentence in follows if not supported(sentence, quote)] == [], rule
    assert [sentence for sentence in does_not if supported(sentence, quote)] == [], rule


def test_what_is_not_plainly_the_same_is_never_supported() -> None:
    pairs = json.loads((_GOLDEN / "grounding" / "rules" / "not_supported.json").read_text())["pairs"]
    assert len(pairs) >= 300
    assert [pair for pair in pairs if supported(pair["sentence"], pair["quote"])] == []


TRUE: list[tuple[str, tuple[str, ...]]] = [
    *((sentence, (quote,)) for _, quote, follows, _ in CASES for sentence in follows),
    *(
        (pair.sentence, quotes_of(pair.evidence))
        for pair in decode((_GOLDEN / "evaluation" / "rewording_open.json").read_bytes()).pairs
        if supported(pair.sentence, *quotes_of(pair.evidence))
    ),
]
_NUMBER = re.compile(r"\d")
_VERB = re.compile(r"\b(?:is|are|was|were|has|had|have)\b(?! not)")
_PAST = re.compile(r"(?<=[a-z] )(?=[a-z]{3,}ed\b)")
_NAME = re.compile(r"\b[A-Z][a-z]+\b")
_COMPARED = {
    "taller": "shorter", "shorter": "taller", "cheaper": "dearer", "higher": "lower", "lower": "higher",
    "rise": "fall", "fall": "rise", "increase": "decrease", "increased": "decreased", "rose": "fell", "fell": "rose",
    "more": "fewer", "at most": "at least", "maximum": "minimum", "after": "before", "before": "after",
}  # fmt: skip
_QUANTIFIED = {"all": "some", "each": "some", "every": "some", "none of": "all", "the": "no"}
_MODAL = ("may", "might", "could", "should", "will", "is expected to")

Edit = Callable[[str, Random], str | None]


def _at_one(pattern: re.Pattern[str], new: Callable[[str], str]) -> Edit:
    def edit(text: str, draw: Random) -> str | None:
        found = list(pattern.finditer(text))
        if not found:
            return None
        match = draw.choice(found)
        return f"{text[: match.start()]}{new(match[0])}{text[match.end() :]}"

    return edit


def _one_of(others: dict[str, str]) -> Edit:
    pattern = re.compile("|".join(rf"\b{word}\b" for word in others), re.IGNORECASE)
    return _at_one(pattern, lambda own: others[own.lower()])


def _modal(text: str, draw: Random) -> str | None:
    return _at_one(_PAST, lambda _: f"{draw.choice(_MODAL)} ")(text, draw) or _at_one(
        _VERB, lambda own: f"{draw.choice(_MODAL)} {'be' if own in ('is', 'are', 'was', 'were') else 'have'}"
    )(text, draw)


def _roles(text: str, _: Random) -> str | None:
    """Who acts and what is acted on change places, about the "by" of a passive."""
    found = re.fullmatch(
        r"(?P<done>.+?) (?P<verb>was|were|is) (?P<how>\w+) by (?P<who>[^,]+?)(?P<rest> (?:in|on) .+)?\.", text
    )
    if found is None:
        return None
    return f"{found['who']} {found['verb']} {found['how']} by {found['done']}{found['rest'] or ''}."


EDITS: dict[str, Edit] = {
    "number": _at_one(_NUMBER, lambda own: str((int(own) + 3) % 10)),
    "negation": lambda text, draw: (
        _at_one(_VERB, lambda own: f"{own} not")(text, draw) or _at_one(_PAST, lambda _: "never ")(text, draw)
    ),
    "name": _at_one(_NAME, lambda own: "Quillon" if own != "Quillon" else "Brask"),
    "quantifier": _one_of(_QUANTIFIED),
    "modality": _modal,
    "comparison": _one_of(_COMPARED),
    "role": _roles,
}


HELD: dict[str, list[tuple[str, tuple[str, ...]]]] = {
    kind: [pair for pair in TRUE if edit(pair[0], Random(0)) is not None] for kind, edit in EDITS.items()
}


@pytest.mark.parametrize("kind", EDITS)
def test_each_edit_has_something_to_take_hold_of(kind: str) -> None:
    assert len(HELD[kind]) >= (4 if kind == "role" else 12)


def _edited(kind: str, data: st.DataObject) -> None:
    sentence, quotes = data.draw(st.sampled_from(HELD[kind]))
    edited = EDITS[kind](sentence, Random(data.draw(st.integers(0, 7)))) or ""
    assert edited != sentence
    assert not supported(edited, *quotes), edited


@settings(max_examples=40)
@given(kind=st.sampled_from(sorted(EDITS)), data=st.data())
def test_no_edit_that_changes_what_is_said_is_supported(kind: str, data: st.DataObject) -> None:
    _edited(kind, data)


@pytest.mark.slow
@pytest.mark.parametrize("kind", EDITS)
@settings(max_examples=400)
@given(data=st.data())
def test_no_edit_of_a_kind_is_supported(kind: str, data: st.DataObject) -> None:
    _edited(kind, data)


_BOUNDS = (
    "If it rains, ",
    "Critics say that ",
    "It is false that ",
    "In the pilot, ",
    "Until 2019, ",
    "Ann doubts that ",
)


_UNBOUND = [
    (sentence, quote) for _, quote, follows, _ in CASES for sentence in follows if not re.search(r"\n|:|[.] ", quote)
]


@settings(max_examples=25)
@given(case=st.sampled_from(_UNBOUND), bound=st.sampled_from(_BOUNDS))
def test_what_is_said_under_a_bound_is_not_supported_without_it(case: tuple[str, str], bound: str) -> None:
    sentence, quote = case
    assert not supported(sentence, f"{bound}{quote[0].lower()}{quote[1:]}"), sentence
