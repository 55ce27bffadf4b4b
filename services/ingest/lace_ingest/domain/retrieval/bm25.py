"""BM25, the score of a unit by its words; Robertson and Zaragoza, The Probabilistic Relevance Framework (2009), §3.

A word's share is idf · w · (k1 + 1) / (w + k1 · (1 − b + b · length / mean)), where w is how often the unit holds the
word (in a heading counting more, in the title less), and idf = ln(1 + (N − n + ½) / (n + ½)) with n of the N units in
scope holding it; computed as idf · (k1 + 1) / (1 + (base + slope / mean · length) / w). Each share is rounded to six
fractional digits and the score is their exact sum: no order of adding can change it.
"""

from __future__ import annotations

import math
from decimal import Decimal

METHOD = "bm25"
K1 = 1.2
B = 0.75
BASE = K1 * (1 - B)
SLOPE = K1 * B
HEADING_WEIGHT = 2.0
TITLE_WEIGHT = 0.5
LONGEST = (1 << 15) - 1
"""A length counts up to this."""
HEAVIEST = 255.5
"""A weight counts up to this."""
MICRO = 1_000_000


def rarity(units: int, holding: int) -> float:
    """The idf of a word that `holding` of `units` units hold."""
    return math.log(1 + (units - holding + 0.5) / (holding + 0.5))


def share(idf: float, weight: float, length: int, mean: float) -> int:
    """A word's part of a unit's score, in millionths."""
    return round(idf * (K1 + 1) * MICRO / (1 + (BASE + SLOPE / mean * length) / weight))


def score_of(micros: int) -> Decimal:
    """A score in millionths as a decimal number with six fractional digits."""
    return Decimal(micros).scaleb(-6)
