"""How many syllables an English word has, by rule: groups of vowels, less those that are written and not spoken."""

from __future__ import annotations

import re
from functools import lru_cache

_VOWELS = re.compile(r"[aeiouy]+")
# What the rules get wrong: words whose vowels part or fall silent as their spelling does not tell.
_KNOWN = {
    "area": 3, "areas": 3, "being": 2, "business": 2, "businesses": 3, "colonel": 2, "create": 2, "created": 3,
    "creates": 2, "creating": 3, "different": 3, "doing": 2, "every": 2, "evening": 2, "going": 2, "idea": 3,
    "ideas": 3, "interesting": 4, "people": 2, "real": 1, "really": 2, "science": 2, "seeing": 2, "theatre": 3,
    "useful": 2, "vegetable": 3, "wednesday": 2, "whereas": 2,
}  # fmt: skip
_SILENT = re.compile(
    r"(?:[^laeiouy]es?(?<!tre)(?<!tres)|[^tdliaeou]ed|[aeiouyl]led|[aeiou]ed(?<!ied)|[aeiouy]les?"
    r"|e(?=(?:ly|ment|ments|ful|less|ness)$))$"
)
_SPOKEN_ES = re.compile(r"(?:[sxz]|ch|sh|[cg])es$")
_PARTED = re.compile(
    r"(?<![ctsg])ia|(?<![ctgsxln])io|iu|eo(?!u)|eum|eali|(?<![qg])ua|uous|[aeiouy]ing|[st]hm$|ism$|dnt$|quie|ier$|iest$"
    r"|iety"
)
_JOINED = re.compile(r"[aeiouy]ely$|[^aeiouy]e(?:ly|ments?|ful|less|ness)$")


@lru_cache(maxsize=8192)
def syllables(word: str) -> int:
    """Syllables of a word, at least 1; of what is no word of letters, 1."""
    plain = "".join(c for c in word.lower() if "a" <= c <= "z")
    if plain in _KNOWN:
        return _KNOWN[plain]
    count = len(_VOWELS.findall(plain))
    count += len(_PARTED.findall(plain))
    if _SILENT.search(plain) and not _SPOKEN_ES.search(plain) and len(plain) > 2:
        count -= 1
    if _JOINED.search(plain):
        count -= 1
    return max(1, count)
