"""Text as words, white space and marks, and how alike two texts are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rapidfuzz.distance import LCSseq

from lace_core.errors import LaceError, Reason
from lace_ingest.domain.diffs.changes import IDENTICAL, MIRRORED, Change, WordChange
from lace_ingest.domain.diffs.sequences import align

# A script without spaces has a word in each character.
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
# A number is one word with its points and commas: who reads of a change wants to see both figures whole.
_TOKEN = re.compile(rf"\d+(?:[.,]\d+)+|[{_CJK}]|[^\W{_CJK}]+|\s+|[^\w\s]")
_MOST_WORDS = 0x110000


def tokens_of(text: str) -> list[str]:
    """Words, runs of white space and single marks; joined they are the text."""
    return _TOKEN.findall(text)


class Vocabulary:
    """Writes texts as strings of one character for each word or mark, white space left out, to compare them fast."""

    def __init__(self) -> None:
        self._codes: dict[str, str] = {}

    def encode(self, text: str) -> str:
        """Equal words are equal characters. Raises DIFF_LIMIT_EXCEEDED beyond a million different words."""
        return self._encode([token for token in _TOKEN.findall(text) if not token.isspace()])

    def encode_with_places(self, text: str) -> tuple[str, list[int]]:
        """The same, and where in the text each word begins."""
        found = [match for match in _TOKEN.finditer(text) if not match.group().isspace()]
        return self._encode([match.group() for match in found]), [match.start() for match in found]

    def _encode(self, words: Sequence[str]) -> str:
        codes = self._codes
        for word in words:
            if word not in codes:
                if len(codes) == _MOST_WORDS:
                    raise LaceError(Reason.DIFF_LIMIT_EXCEEDED, "These texts have too many different words.")
                codes[word] = chr(len(codes))
        return "".join([codes[word] for word in words])


def shared(before: str, after: str) -> int:
    """How many words two encoded texts share in the same order."""
    return int(LCSseq.similarity(before, after))


def similarity(before: str, after: str, least: int = 0) -> int:
    """Per mille of what two encoded texts share, of both their lengths (Dice over the longest common subsequence).

    Below `least` it is 0, which is faster; two empty texts are identical.
    """
    length = len(before) + len(after)
    if not length:
        return IDENTICAL
    needed = -(-least * length // (2 * IDENTICAL))
    if min(len(before), len(after)) < needed:
        return 0
    return 2 * IDENTICAL * int(LCSseq.similarity(before, after, score_cutoff=needed)) // length


def words_between(before: str, after: str) -> tuple[WordChange, ...]:
    """The way from one text to the other: what stays, what goes and what comes, in reading order.

    Where little stays between large changes, it goes and comes too: that reads better. The same the other way
    round, with the names exchanged.
    """
    if before > after:
        return tuple(mirrored(words_between(after, before)))
    old, new = tokens_of(before), tokens_of(after)
    steps = []
    for stretch in align(old, new):
        gone, come = "".join(old[slice(*stretch.before)]), "".join(new[slice(*stretch.after)])
        steps.append(("", "", gone) if stretch.equal else (gone, come, ""))
    return tuple(_told(_joined(steps)))


def mirrored(words: Sequence[WordChange]) -> Iterator[WordChange]:
    """The way back; what goes is told before what comes."""
    waiting: WordChange | None = None
    for word in words:
        turned = WordChange(MIRRORED.get(word.change, word.change), word.text)
        if turned.change is Change.ADDED:
            waiting = turned
            continue
        if waiting is not None and turned.change is Change.UNCHANGED:
            yield waiting
            waiting = None
        yield turned
        if waiting is not None:
            yield waiting
            waiting = None
    if waiting is not None:
        yield waiting


def _joined(steps: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Steps (gone, come, stays); what stays and is shorter than the changes on both its sides goes and comes too."""
    found: list[tuple[str, str, str]] = []
    for step in steps:
        found.append(step)
        while len(found) >= 3 and found[-2][2] and not found[-1][2] and not found[-3][2]:
            stays = found[-2][2]
            if len(stays.strip()) > min(max(map(len, found[-3][:2])), max(map(len, found[-1][:2]))) // 2:
                break
            first, last = found[-3], found[-1]
            found[-3:] = [(first[0] + stays + last[0], first[1] + stays + last[1], "")]
    return found


def _told(steps: Sequence[tuple[str, str, str]]) -> Iterator[WordChange]:
    for gone, come, stays in steps:
        for change, text in ((Change.REMOVED, gone), (Change.ADDED, come), (Change.UNCHANGED, stays)):
            if text:
                yield WordChange(change, text)
