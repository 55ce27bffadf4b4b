"""Whether a text is English: the rules know no other language, and where one might be meant they keep silent.

Half a sentence may turn on a word that no list of ours has ("nicht", "ne … pas"). So a statement is reworded only where
its function words are English, or its verb is and nothing in it is another language's.
"""

from __future__ import annotations

import re
from enum import IntEnum

from lace_core.verification import equivalents, lexicon


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENGLISH = _words(
    """
    the and are were been with from this that these those which whose its their they she his would must should could
    between during because while each both into less about there where when than after before through
    """
)
"""Words that hardly another language has."""
_RATHER_ENGLISH = _words("a of is was to for at by on has have had not it he all more most will may can as no")
_OTHERS = _words(
    """
    der die das und ist nicht ein eine einen einem einer eines des dem den mit von vom für auf bei nach über zum zur
    sich auch wird wurde wurden werden sind oder aber kein keine keinen nur wenn weil dass als wie noch im am aus
    le la les un une du de et est ne pas que qui dans pour sur avec par au aux sont ont été être cette ces ce il elle
    ils elles leur sa ses ou mais sans sous où selon
    el los las una del es en con por para se su más según pero como
    lo gli di che è non dei delle della nel alla sono
    het een van niet voor op zijn wordt werd aan bij naar maar ook geen
    och att det som inte ikke og er til av af på med ej
    os um uma da não em ao pelo pela
    nie jest się oraz ale jako
    """
)
"""Function words of languages that are written in the same letters."""
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_FOREIGN_LETTER = re.compile(r"[^\W\d_a-zà-ɏ]")


class Language(IntEnum):
    """What a text's function words and verbs tell of its language."""

    OTHER = 0
    UNKNOWN = 1
    ENGLISH = 2


def language_of(text: str) -> Language:
    """The language of a case folded text, as far as it tells."""
    if _FOREIGN_LETTER.search(text):
        return Language.OTHER
    words = _WORD.findall(text)
    others = sum(word in _OTHERS for word in words)
    sure = sum(word in _ENGLISH for word in words)
    rather = sum(word in _RATHER_ENGLISH for word in words)
    if others and 2 * sure + rather * (sure > 0) < 2 * others:
        return Language.OTHER
    return Language.ENGLISH if sure or rather > 2 or any(map(_is_verb, words)) else Language.UNKNOWN


def are_english(one: Language, other: Language) -> bool:
    """Whether two texts that have their content words in common are English: one says so, and neither denies it."""
    return min(one, other) > Language.OTHER and max(one, other) is Language.ENGLISH


def _is_verb(word: str) -> bool:
    return word in _VERBS or (word.endswith("ed") and len(word) > 4)


_VERBS = (lexicon.FINITE | equivalents.PARTICIPLE_OF.keys()) - _words("was will is has had do can met bit set sang")
