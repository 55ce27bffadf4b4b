"""Which known word a misspelt one means: the nearest by edits, the more frequent of equally near ones.

Only words with the same first letter, where hardly anybody errs: otherwise a name that stands nowhere (Biden) would be
taken for a word that it has nothing to do with (widen).
"""

from __future__ import annotations

from collections.abc import Mapping

SHORTEST = 4
"""Letters that a word must have to be guessed at: nearly every shorter one is near another."""


def edits_allowed(word: str) -> int:
    """How many edits apart a known word may be: one, or two from ten letters on."""
    return 1 if len(word) < 10 else 2


def may_mean(word: str, lexeme: str) -> bool:
    """Whether a word that stands nowhere could be a misspelt form of a known one."""
    return word[:1] == lexeme[:1] and distance(word, lexeme) <= edits_allowed(word)


def best_guess(word: str, known: Mapping[str, int]) -> str | None:
    """The lexeme that a word is taken for, out of known ones with the number of units that hold each; or None."""
    near = [
        (distance(word, lexeme), -units, lexeme) for lexeme, units in known.items() if units and may_mean(word, lexeme)
    ]
    return min(near)[2] if near else None


def distance(first: str, second: str) -> int:
    """Letters to insert, delete, replace or swap with their neighbour to make one word of the other.

    Optimal string alignment: Boytsov, Indexing Methods for Approximate Dictionary Searching (2011), §2.
    """
    before: list[int] = []
    last = list(range(len(second) + 1))
    for i, letter in enumerate(first, 1):
        row = [i]
        for j, other in enumerate(second, 1):
            least = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                least = min(least, before[j - 2] + 1)
            row.append(least)
        before, last = last, row
    return last[-1]
