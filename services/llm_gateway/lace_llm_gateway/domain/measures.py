"""Vectors of texts and documents in the order of their relevance, as a provider gives them, and what they must be."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from lace_core.errors import LaceError, Reason

Vector = array  # array("f", …): float32


@dataclass(frozen=True)
class Embedded:
    """A vector for each text, in order; `input_tokens` is None where the provider reports none."""

    vectors: tuple[Vector[float], ...]
    answered_model: str
    input_tokens: int | None = None


@dataclass(frozen=True)
class Ranked:
    """A document by its place in the request, and how relevant it is: higher is better, on the model's own scale."""

    index: int
    score: float


@dataclass(frozen=True)
class Reranked:
    """Documents, the best first; `input_tokens` is None where the provider reports none."""

    results: tuple[Ranked, ...]
    answered_model: str
    input_tokens: int | None = None


def check_vectors(embedded: Embedded, texts: int, dimensions: int) -> None:
    """Raises LaceError PROVIDER_OUTPUT_INVALID where a vector is missing, has another length (0: any) or no numbers."""
    lengths = {len(vector) for vector in embedded.vectors}
    if len(embedded.vectors) != texts:
        raise _invalid(f"{len(embedded.vectors)} vectors came for {texts} texts")
    if len(lengths) != 1 or 0 in lengths or (dimensions and lengths != {dimensions}):
        expected = f", {dimensions} expected" if dimensions else ""
        raise _invalid(f"vectors of {', '.join(map(str, sorted(lengths)))} numbers came{expected}")
    if not all(math.isfinite(math.fsum(vector)) for vector in embedded.vectors):
        raise _invalid("a vector holds what is no number")


def in_order(results: Sequence[Ranked], documents: int, top_n: int) -> tuple[Ranked, ...]:
    """The `top_n` best first (all where 0), of equals the one that was given first.

    Raises LaceError PROVIDER_OUTPUT_INVALID for places that are none or come twice, scores that are no numbers, and
    documents that are missing.
    """
    wanted = min(top_n or documents, documents)
    places = {ranked.index for ranked in results}
    if len(places) != len(results) or not places <= set(range(documents)):
        raise _invalid("documents came that were not asked about, or twice")
    if len(results) < wanted:
        raise _invalid(f"{len(results)} documents came of {wanted}")
    if not all(math.isfinite(ranked.score) for ranked in results):
        raise _invalid("a score is no number")
    return tuple(sorted(results, key=lambda ranked: (-ranked.score, ranked.index))[:wanted])


def vectors_hash(vectors: Sequence[Vector[float]]) -> str:
    """SHA-256 of the numbers as little-endian float32, one vector after the other."""
    digest = hashlib.sha256()
    for vector in vectors:
        digest.update(vector.tobytes())
    return digest.hexdigest()


def _invalid(problem: str) -> LaceError:
    return LaceError(Reason.PROVIDER_OUTPUT_INVALID, f"The provider's answer cannot be used: {problem}.")
