"""What a question asks for: the kind of answer that it expects, and the words that an answer must be about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from lace_core.verification import lexicon
from lace_core.verification.tokens import Token
from lace_core.verification.wording import statements

_ASKING = frozenset(
    """
    what which who whom whose when where why how many much far often kind type year date day month time number amount
    percentage name
    """.split()
)
_IRREGULAR = {
    form: base
    for line in """
    start begin began begun commence|finish complete|break broke broken|bring brought|build built construct|buy
    bought purchase|use utilise utilize| carry carried|choose chose chosen| come came|deal dealt|draw drew
    drawn|drive drove driven|fall fell fallen|feed fed|find found|fly flew flown| get got gotten|give gave
    given|go went gone|grow grew grown|hear heard|hold held|keep kept|know knew known| lay laid|lead led|leave
    left|lend lent|lose lost|make made|mean meant|meet met|overcome overcame|read reads| rise rose risen|run
    ran|say said|see saw seen|sell sold|send sent|show showed shown|speak spoke spoken| spend spent|stand
    stood|strike struck|take took taken|teach taught|tell told|think thought|win won| withdraw withdrew
    withdrawn|write wrote written|long length|deep depth|high height|wide width|heavy weight|old age
    """.replace("\n", " ").split("|")
    for base, *forms in [line.split() or [""]]
    for form in forms
}
_MEASURED = "|".join(
    """
    number percentage share cost price length depth height capacity budget rate volume amount diameter area value total
    """.split()
)
_QUANTITY = re.compile(
    r"\bhow (?:many|much|long|far|often|large|big|high|deep|wide|old|tall|heavy)\b"
    rf"|\bwhat (?:is|was|are|were) the (?:\w+ ){{0,4}}(?:{_MEASURED})\b"
    r"|\b(?:what|which) (?:percentage|share|number|proportion)\b|\bwhat (?:\w+ ){1,8}costs?\b",
    re.IGNORECASE,
)
_DATE = re.compile(r"\bwhen\b|\b(?:what|which) (?:year|date|day|month)\b", re.IGNORECASE)
_NAME = re.compile(r"^(?:by |to |from |for )?(?:who|whom|whose)\b", re.IGNORECASE)
_PLACE = re.compile(r"\bwhere\b", re.IGNORECASE)
_REASON = re.compile(r"\bwhy\b", re.IGNORECASE)


APPROXIMATE = frozenset("approximately about around roughly nearly almost".split())
"""Hedges that a number may carry and still be the answer."""


@dataclass(frozen=True)
class Question:
    """A question read: the kind of its answer, the roots that an answer must be about and the words they are of, the
    names among them, the numbers in it, all its keys, and the root that what is asked for stands next to: the noun
    that is counted ("how many …"), the verb of "who"; empty where there is none.
    """

    kind: str
    roots: tuple[str, ...]
    words: tuple[str, ...]
    names: frozenset[str]
    figures: frozenset[str]
    keys: frozenset[str]
    anchor: str

    @property
    def denies(self) -> bool:
        """Whether it asks for what is not."""
        return not self.keys.isdisjoint(lexicon.NEGATIONS)

    @property
    def hedges(self) -> bool:
        """Whether it asks for what may be or is planned."""
        return not self.keys.isdisjoint(lexicon.HEDGES - APPROXIMATE)


_COUNTED = re.compile(r"\bhow many\b", re.IGNORECASE)
_NAMED = re.compile(r"(?<=\s)[A-Z][\w'-]*")


def read_question(question: str, expects: str, same: Mapping[str, str]) -> Question:
    """The question as it is compared; `same` leads roots to those that mean the same here."""
    tokens = tokens_of(question)
    keys = frozenset(token.key for token in tokens)
    kind = kind_of(question) if expects == "auto" else expects
    words = {content_root(token.key, same): token.key for token in reversed(tokens)}
    words = {found: words[found] for found in (content_root(token.key, same) for token in tokens) if found}
    roots = tuple(words)
    anchored = kind == "name" or bool(_COUNTED.search(question))
    return Question(
        kind=kind,
        roots=roots,
        words=tuple(words.values()),
        names=frozenset(same.get(root(name), root(name)) for name in _NAMED.findall(question)),
        figures=frozenset(token.key for token in tokens if token.figure or token.key.startswith("@")),
        keys=keys,
        anchor=roots[0] if roots and anchored else "",
    )


def tokens_of(text: str) -> list[Token]:
    """The tokens of a text, statement after statement."""
    return [token for statement in statements(text) for token in statement.tokens]


def kind_of(question: str) -> str:
    """date, number, name, place, reason, or any where nothing tells."""
    plain = " ".join(question.split())
    found = (("date", _DATE), ("number", _QUANTITY), ("name", _NAME), ("place", _PLACE), ("reason", _REASON))
    return next((kind for kind, pattern in found if pattern.search(plain)), "any")


def group_of(groups: Sequence[Sequence[str]]) -> Mapping[str, str]:
    """Each word of the groups to the first of its group, as roots."""
    return {root(word): root(group[0]) for group in groups for word in group}


def content_root(key: str, same: Mapping[str, str]) -> str:
    """The root of a key that says something; empty for the words that only ask or hold a sentence together."""
    if key in lexicon.STOP or key in _ASKING or not key[:1].isalpha():
        return ""
    found = root(key)
    return same.get(found, found)


_ENDINGS = (("ies", "y"), ("ied", "y"), ("ings", ""), ("ing", ""), ("edly", ""), ("ed", ""), ("es", ""), ("s", ""))


@lru_cache(maxsize=8192)
def root(word: str) -> str:
    """The word without what grammar puts to its end; of irregular forms the one that they belong to."""
    plain = word.casefold()
    found = _IRREGULAR.get(plain, plain)
    for ending, instead in _ENDINGS:
        rest = found[: -len(ending)]
        if found.endswith(ending) and len(rest) >= 3 and _VOWEL.search(rest) and not found.endswith("ss"):
            found = rest + instead
            break
    if len(found) > 3 and found[-1] == found[-2] and found[-1] not in "aeiousl":
        found = found[:-1]
    found = found.removesuffix("e") if len(found) > 3 else found
    return _IRREGULAR.get(found, found)


_VOWEL = re.compile("[aeiouy]")
_YEAR = re.compile(r"(?:1[0-9]|20|21)\d\d")


def is_date(key: str) -> bool:
    """Whether a key is a date or a year."""
    return key.startswith("@") or bool(_YEAR.fullmatch(key))
