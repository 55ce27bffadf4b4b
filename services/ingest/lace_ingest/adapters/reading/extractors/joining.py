"""Joins lines to running text: hyphenation at line ends undone where the document itself shows that it is one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_FIRST = re.compile(r"^[^\W\d_]+")
_LAST = re.compile(r"([^\W\d_]+)[-\u2010]$")
_GOES_ON = re.compile(r"^[^\W\d_]+-[^\W\d_]")
_HYPHENS = ("-", "\u2010", "\u00ad")
_HYPHENATING_SHARE = 0.02


class Joiner:
    """Knows the words of a document, which tells "well-/known" from "hyphen-/ation"."""

    def __init__(self, lines: Iterable[str]) -> None:
        texts = [line.strip() for line in lines]
        found = [word.lower() for text in texts for word in _WORD.findall(text)]
        self._words = {part for word in found for part in word.split("-")}
        self._pairs = {pair for word in found if "-" in word for pair in pairwise(word.split("-"))}
        self._hyphenates = self._judge(texts)

    def _judge(self, texts: Sequence[str]) -> bool:
        """Whether the document hyphenates: by the words that line ends break, else by how many lines end so."""
        breaks = [found for a, b in pairwise(texts) if (found := _break(a, b))]
        whole = sum(1 for last, first in breaks if last + first in self._words)
        compound = sum(1 for pair in breaks if pair in self._pairs)
        return whole > compound if whole + compound else len(breaks) > _HYPHENATING_SHARE * len(texts)

    def join(self, texts: Sequence[str]) -> str:
        """The lines of one paragraph as one text."""
        return self.join_placed(texts)[0]

    def join_placed(self, texts: Sequence[str]) -> tuple[str, list[int]]:
        """The same, with the place in it at which each line begins."""
        result = ""
        places: list[int] = []
        for text in texts:
            stripped = text.strip()
            result = self._append(result, stripped)
            places.append(len(result) - len(stripped))
        return result, places

    def _append(self, before: str, text: str) -> str:
        if not before or not text:
            return before + text
        if before[-1] == "\u00ad":
            return self._unhyphenated(before[:-1] + "-", text, is_soft=True)
        if before[-1] in _HYPHENS and before[-2:-1].isalnum():
            return self._unhyphenated(before, text, is_soft=False)
        last_word = before.rsplit(" ", 1)[-1]
        if last_word.startswith(("http://", "https://")) and before[-1] in "/-_=&?":
            return before + text
        return f"{before} {text}"

    def _unhyphenated(self, before: str, text: str, *, is_soft: bool) -> str:
        pair = _break(before, text)
        if pair is None:
            return before + text
        whole = pair[0] + pair[1] in self._words
        compound = pair in self._pairs or _GOES_ON.match(text) is not None
        if is_soft or (whole and not compound) or (self._hyphenates and not compound):
            return before[:-1] + text
        return before + text


def _break(before: str, text: str) -> tuple[str, str] | None:
    """The two halves of what a line end after a hyphen breaks, None where the next line does not go on a word."""
    last, first = _LAST.search(before[-60:]), _FIRST.match(text)
    return (last[1].lower(), first.group()) if last and first and first.group().islower() else None
