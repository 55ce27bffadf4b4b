"""Which texts say nearly the same: by the share of their word sequences (Broder 1997, resemblance of shingles)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"\w+")
_CHARACTERS = 8
_LONGEST_WORD = 20
"""Words that are longer on the mean are texts of a script that does not part its words."""

Shingle = tuple[str, ...]


def near_duplicates(texts: Sequence[str], likeness: int) -> dict[int, int]:
    """By the place of each text that repeats an earlier one the place of that one, which repeats none itself.

    Texts repeat one another where they share `likeness` thousandths of the sequences that either has. Of several the
    first is meant. Two such texts have one of their first sequences in common, in whatever order all are put, so that
    only those are looked up (prefix filtering: Bayardo, Ma, Srikant 2007).
    """
    holding: dict[Shingle, list[int]] = {}
    kept: dict[int, frozenset[Shingle]] = {}
    found: dict[int, int] = {}
    for place, text in enumerate(texts):
        own = shingles(text)
        firsts = sorted(own)[: len(own) - -(-len(own) * likeness // 1000) + 1]
        candidates = sorted({other for each in firsts for other in holding.get(each, ())})
        like = next((other for other in candidates if _is_alike(own, kept[other], likeness)), None)
        if like is not None:
            found[place] = like
            continue
        kept[place] = own
        for each in firsts:
            holding.setdefault(each, []).append(place)
    return found


def shingles(text: str) -> frozenset[Shingle]:
    """Sequences of four words; of characters where words are not parted by spaces. What is shorter is one by itself."""
    words = _WORD.findall(text.casefold())
    if words and sum(map(len, words)) > _LONGEST_WORD * len(words):
        joined = "".join(words)
        return frozenset((joined[at : at + _CHARACTERS],) for at in range(max(1, len(joined) - _CHARACTERS + 1)))
    if len(words) < 4:
        return frozenset((tuple(words),))
    return frozenset(zip(words, words[1:], words[2:], words[3:], strict=False))


def _is_alike(one: frozenset[Shingle], other: frozenset[Shingle], likeness: int) -> bool:
    shared = len(one & other)
    return shared * 1000 >= likeness * (len(one) + len(other) - shared)
