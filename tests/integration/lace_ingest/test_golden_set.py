"""The golden set: every quote stands in the dossier as our extraction gives it, and the kinds are as they should be."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from lace_core.evaluation.pairs import NOT, SUPPORTED, PairSet, decode, problems
from lace_ingest.adapters.reading.extraction_child import Order, read_document
from lace_ingest.domain.formats import check_filename
from lace_ingest.domain.limits import ExtractionLimits

ROOT = Path(__file__).parents[3]
SETS = {path.stem: path for path in (ROOT / "tests/golden/evaluation").glob("*.json") if path.stem != "recorded"}
WHOLE = ("open", "held_back")
REWORDING = ("rewording_open", "rewording_aside")


@cache
def units(filename: str) -> tuple[str, ...]:
    path = ROOT / "examples" / "dossier" / filename
    order = Order(path.name, check_filename(path.name), ExtractionLimits())
    return tuple(unit.text for unit in read_document(order, path.read_bytes()).units)


def golden(name: str) -> PairSet:
    return decode(SETS[name].read_bytes())


@pytest.mark.parametrize("name", SETS)
def test_every_quote_is_an_exact_span_of_the_extracted_dossier(name: str) -> None:
    for pair in golden(name).pairs:
        assert pair.evidence, pair.id
        for piece in pair.evidence:
            own = name in REWORDING and not piece.file  # a short text of its own
            assert own or any(piece.quote in text for text in units(piece.file)), (pair.id, piece)


def test_there_are_three_hundred_pairs_of_which_a_third_is_held_back_and_most_are_false() -> None:
    pairs = [pair for name in WHOLE for pair in golden(name).pairs]
    assert len(pairs) >= 300
    assert len({pair.id for pair in pairs}) == len(pairs)
    assert len(golden("held_back").pairs) / len(pairs) == pytest.approx(1 / 3, abs=0.01)
    for name in WHOLE:
        labels = Counter(pair.label for pair in golden(name).pairs)
        assert labels[NOT] / labels.total() == pytest.approx(0.6, abs=0.02)
        assert labels[NOT] + labels[SUPPORTED] == labels.total()


def test_both_parts_have_every_kind_in_like_shares() -> None:
    shares = [Counter(pair.kind for pair in golden(name).pairs) for name in WHOLE]
    assert shares[0].keys() == shares[1].keys()
    assert len(shares[0]) >= 28
    for kind, count in shares[0].items():
        assert abs(count - 2 * shares[1][kind]) <= 1, kind


@pytest.mark.parametrize("name", SETS)
def test_no_pair_is_there_twice_and_all_say_why(name: str) -> None:
    found = golden(name).pairs
    assert problems(found) == []
    assert all(pair.why for pair in found)
    assert len({(pair.sentence, pair.evidence) for pair in found}) == len(found)


def test_no_sentence_of_the_held_back_part_is_in_the_open_one() -> None:
    both = {pair.sentence for pair in golden("open").pairs} & {pair.sentence for pair in golden("held_back").pairs}
    assert both == set()


def test_free_wordings_are_halved_by_lot_within_each_kind() -> None:
    halves = [Counter(pair.kind for pair in golden(name).pairs) for name in REWORDING]
    labels = [Counter(pair.label for pair in golden(name).pairs) for name in REWORDING]
    assert halves[0].keys() == halves[1].keys()
    assert all(abs(count - halves[1][kind]) <= 1 for kind, count in halves[0].items())
    assert labels[0] == labels[1] == {NOT: 62, SUPPORTED: 52}
    ids = [pair.id for name in SETS for pair in golden(name).pairs]
    assert len(set(ids)) == len(ids)
