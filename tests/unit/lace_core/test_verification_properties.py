"""Sentences made false by every operator, out of sentences that are supported: none of them ever is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lace_core.verification.grounding import LayerVerdict, Verdict, supports, verify
from lace_core.verification.verdicts import ABSTAINED

_TESTS = Path(__file__).parents[2]
_DOSSIER = _TESTS.parent / "examples" / "dossier"


def _paragraphs() -> list[list[str]]:
    """The sentences of the example sources' prose, paragraph by paragraph."""
    found = []
    for path in sorted((*_DOSSIER.glob("*.md"), *_DOSSIER.glob("*.txt"))):
        for paragraph in path.read_text().split("\n\n"):
            text = re.sub(r"(?<=[.:]) \d+[.](?= |$)", "", " ".join(paragraph.split()))  # the numbers of items
            sentences = [one for one in re.split(r"(?<=[.]) (?=[A-Z])", text) if one.endswith(".") and len(one) > 40]
            if sentences and not text.startswith(("#", "|", "*", "-")) and " | " not in text:
                found.append([one for one in sentences if supports(one, (one,))])
    return [sentences for sentences in found if sentences]


PARAGRAPHS = _paragraphs()
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+(?: [A-Z][a-z]+)*")
_TURNS = {
    "rose": "fell", "fell": "rose", "above": "below", "below": "above", "more": "less", "fewer": "more",
    "before": "after", "after": "before", "highest": "lowest", "lowest": "highest", "increased": "reduced",
    "longer": "shorter", "at least": "at most", "no more than": "no fewer than",
}  # fmt: skip
_UNITS = {"millimetres": "centimetres", "metres": "kilometres", "per cent": "percentage points", "million": "billion"}
_HEDGES = ("may", "could", "is expected to", "was planned to", "probably", "nearly", "about", "should", "might")

Operator = Callable[[str, list[str], Random], str | None]


def _replaced(pattern: re.Pattern[str], text: str, draw: Random, new: Callable[[str], str | None]) -> str | None:
    found = list(pattern.finditer(text))
    if not found:
        return None
    match = draw.choice(found)
    other = new(match[0])
    return None if other is None else f"{text[: match.start()]}{other}{text[match.end() :]}"


def _digit(text: str, _: list[str], draw: Random) -> str | None:
    return _replaced(re.compile(r"\d"), text, draw, lambda own: str((int(own) + draw.randint(1, 9)) % 10))


def _number_of_another(text: str, paragraph: list[str], draw: Random) -> str | None:
    others = sorted({number for one in paragraph for number in _NUMBER.findall(one)})
    return _replaced(_NUMBER, text, draw, lambda own: draw.choice(others) if others != [own] else None)


def _name_of_another(text: str, paragraph: list[str], draw: Random) -> str | None:
    others = sorted({name for one in paragraph for name in _NAME.findall(one)} - {"The"})
    return _replaced(_NAME, text, draw, lambda own: draw.choice(others) if others else None)


def _negated(text: str, _: list[str], draw: Random) -> str | None:
    verbs = re.compile(r"\b(?:is|are|was|were|has|had|will|can|could|may)\b(?! not)")
    return _replaced(verbs, text, draw, lambda own: f"{own} not")


def _affirmed(text: str, _: list[str], draw: Random) -> str | None:
    return _replaced(re.compile(r"\b(?:not|no|never|without|none of) "), text, draw, lambda own: "")


def _turned_round(text: str, _: list[str], draw: Random) -> str | None:
    words = re.compile("|".join(rf"\b{word}\b" for word in _TURNS))
    return _replaced(words, text, draw, lambda own: _TURNS[own])


def _other_unit(text: str, _: list[str], draw: Random) -> str | None:
    units = re.compile("|".join(rf"(?<=\d ){unit}\b" for unit in _UNITS))
    return _replaced(units, text, draw, lambda own: _UNITS[own])


def _certain(text: str, _: list[str], draw: Random) -> str | None:
    hedges = re.compile("|".join(rf"\b{word} " for word in _HEDGES))
    return _replaced(hedges, text, draw, lambda own: "")


def _with_a_cause(text: str, paragraph: list[str], draw: Random) -> str | None:
    other = draw.choice(paragraph)
    return None if other == text else f"{text.rstrip('.')} because {other[0].lower()}{other[1:]}"


def _end_of_another(text: str, paragraph: list[str], draw: Random) -> str | None:
    place = re.compile(r" (?:in|on|at|for|by|from|to|with|of) [^,]*$")
    mine, theirs = place.search(text), place.search(draw.choice(paragraph))
    if mine is None or theirs is None or mine[0] == theirs[0]:
        return None
    return text[: mine.start()] + theirs[0]


OPERATORS: tuple[Operator, ...] = (
    _digit,
    _number_of_another,
    _name_of_another,
    _negated,
    _affirmed,
    _turned_round,
    _other_unit,
    _certain,
    _with_a_cause,
    _end_of_another,
)


@pytest.mark.parametrize("seed", ["", *(pytest.param(f"{n}", marks=pytest.mark.slow) for n in range(4))])
@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__.strip("_"))
def test_no_falsehood_made_of_a_true_sentence_is_supported(operator: Operator, seed: str) -> None:
    draw, made = Random(operator.__name__ + seed), 0
    for paragraph in PARAGRAPHS if seed else PARAGRAPHS[::4]:
        for text in paragraph:
            false = operator(text, paragraph, draw)
            if false is None or _same(false, text) or any(_same(false, other) for other in paragraph):
                continue
            made += 1
            found = verify(false, (" ".join(paragraph), text))
            assert found.verdict is not Verdict.SUPPORTED, false
    assert made >= (8 if seed else 1), "the operator finds too little to take hold of"


def _same(one: str, other: str) -> bool:
    return one.casefold().replace(",", "").strip(". ") == other.casefold().replace(",", "").strip(". ")


def test_every_sentence_of_a_source_is_supported_by_its_paragraph() -> None:
    lost = [text for paragraph in PARAGRAPHS for text in paragraph if not supports(text, (" ".join(paragraph),))]
    assert len(lost) <= len(PARAGRAPHS) // 50, lost


_TEXTS = st.sampled_from([text for paragraph in PARAGRAPHS for text in paragraph])
_WORDS = {verdict.word for verdict in Verdict} | {ABSTAINED}


@settings(max_examples=60)
@given(_TEXTS, _TEXTS)
def test_the_verdict_is_never_better_than_the_worst_of_its_layers(sentence: str, quote: str) -> None:
    found = verify(sentence, (quote,))
    deciding = [layer for layer in found.layers if layer.layer not in ("quote", "wording")]
    agreed = [layer for layer in found.layers if layer.layer in ("quote", "wording")]
    assert {layer.verdict for layer in found.layers} <= _WORDS
    assert found.verdict <= min(Verdict.of(layer.verdict) for layer in deciding)
    assert (found.verdict is Verdict.SUPPORTED) <= any(layer.verdict == "supported" for layer in agreed)


@settings(max_examples=30)
@given(_TEXTS)
def test_each_layer_passes_the_evidence_s_own_words(sentence: str) -> None:
    found = verify(sentence, (sentence,))
    assert {layer.verdict for layer in found.layers} == {"supported"}
    assert [layer.layer for layer in found.layers] == [
        "citation", "quote", "wording", "coverage", "numbers", "names", "negation", "direction", "modality", "cause",
        "attribution",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sentence", "quote", "layer", "verdict"),
    [
        ("The dam held 9 ships.", "The dam held 8 ships.", "numbers", "contradicted"),
        ("The dam held 8 tonnes.", "The dam held 8 litres.", "numbers", "contradicted"),
        ("The dam at Dunmore held.", "The dam at Harlow held.", "names", "unsupported"),
        ("The dam did hold.", "The dam did not hold.", "negation", "contradicted"),
        ("The level rose in May.", "The level fell in May.", "direction", "contradicted"),
        ("The dam holds.", "The dam may hold.", "modality", "unsupported"),
        ("The dam held because of the frost.", "The dam held in the frost.", "cause", "unsupported"),
        ("The dam holds water.", "Bob Dale claimed the dam holds water.", "attribution", "partially"),
        ("The moon is a far country.", "The dam held.", "coverage", "unsupported"),
        ("The dam, it is said, held.", "The dam held.", "quote", "partially"),
    ],
)
def test_each_layer_tells_what_is_wrong_by_itself(sentence: str, quote: str, layer: str, verdict: str) -> None:
    found: dict[str, LayerVerdict] = {own.layer: own for own in verify(sentence, (quote,)).layers}
    assert found[layer].verdict == verdict, found[layer]


def _true_pairs() -> list[dict[str, Any]]:
    pairs = json.loads((_TESTS / "golden" / "grounding" / "rewording.json").read_text())["pairs"]
    return [pair for pair in pairs if pair["verdict"] == "supported"]


def test_the_rules_for_rewording_do_what_they_are_for() -> None:
    lost = [pair["why"] for pair in _true_pairs() if not supports(pair["sentence"], pair["quotes"])]
    assert lost == []
