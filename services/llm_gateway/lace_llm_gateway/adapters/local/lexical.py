"""Relevance by words alone: Okapi BM25 over the documents that are asked about (Robertson and Zaragoza, 2009)."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"\w+")
_K1, _B = 1.2, 0.75


def words_of(text: str) -> list[str]:
    """Its words, in one case and one form (NFKC)."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def scores(query: str, documents: Sequence[str]) -> list[float]:
    """The score of each document, 0 where it has no word of the query.

    Σ idf(w) · tf · (k₁ + 1) / (tf + k₁ · (1 − b + b · length / mean length)), idf(w) = ln(1 + (n − m + ½) / (m + ½))
    over the query's words, of n documents m with w.
    """
    counted = [Counter(words_of(document)) for document in documents]
    lengths = [words.total() for words in counted]
    mean = sum(lengths) / len(lengths) or 1.0
    weights = {word: _weight(counted, word) for word in sorted(set(words_of(query)))}

    def score(words: Counter[str], length: int) -> float:
        held = _K1 * (1 - _B + _B * length / mean)
        return math.fsum(
            weight * words[word] * (_K1 + 1) / (words[word] + held) for word, weight in weights.items() if words[word]
        )

    return [score(words, length) for words, length in zip(counted, lengths, strict=True)]


def _weight(counted: Sequence[Counter[str]], word: str) -> float:
    holding = sum(1 for words in counted if words[word])
    return math.log(1 + (len(counted) - holding + 0.5) / (holding + 0.5))
