"""Whether a passage tells what a question expects: a number, date, name, place or reason that is new, at its place."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from lace_core.suites.passages import Passage
from lace_core.suites.questions import APPROXIMATE, Question, is_date, root
from lace_core.verification import lexicon
from lace_core.verification.tokens import Token

_NEAR = 4  # words from a number to the noun that it counts
_NAME = re.compile(r"\b[A-Z][\w'-]*(?:(?: of| and)? [A-Z][\w'-]*)*")
_CAUSAL = frozenset("because therefore thus hence due owing since consequently".split())
_PLACING = frozenset(
    """
    from to at in on near along under below above beneath between beside behind opposite within across over through
    """.split()
)
_UNSAID = frozenset('£ $ € ¥ % " a an the'.split()) | APPROXIMATE


def is_told(question: Question, passage: Passage, roots: Sequence[str]) -> bool:
    """Whether the passage tells it; `roots` are those of its tokens, in their order."""
    tokens = passage.tokens
    is_row = passage.kind == "table"
    new = [at for at, token in enumerate(tokens) if token.key not in question.keys]
    match question.kind:
        case "number":
            numbers = [at for at in new if tokens[at].figure and not is_date(tokens[at].key)]
            if question.anchor and not is_row:
                return any(question.anchor in roots[at + 1 : at + 1 + _NEAR] for at in numbers)
            return any(is_row or _is_linked(question, tokens, roots, at, question.roots) for at in numbers)
        case "date":
            dates = [at for at in new if is_date(tokens[at].key) or _is_month(tokens[at].key)]
            return any(is_row or _is_linked(question, tokens, roots, at, question.roots) for at in dates)
        case "name":
            words = {word for name in _new_names(question, passage.text) for word in name.casefold().split()}
            named = [at for at in new if tokens[at].key in words]
            return any(is_row or _is_linked(question, tokens, roots, at, (question.anchor,)) for at in named)
        case "place":
            return any(_is_placed(question, tokens, roots, at) for at in range(len(tokens) - 2))
        case "reason":
            return any(token.key in _CAUSAL for token in tokens)
    return any(roots[at] or tokens[at].figure for at in new)


def _is_linked(question: Question, tokens: Sequence[Token], roots: Sequence[str], at: int, to: Collection[str]) -> bool:
    """Whether nothing that says anything of its own stands between a token and one of these words."""
    for way in (-1, 1):
        near = at + way
        while 0 <= near < len(tokens):
            if roots[near] in to:
                return True
            if not _is_light(question, tokens[near]):
                break
            near += way
    return False


def _is_light(question: Question, token: Token) -> bool:
    key = token.key
    light = key in lexicon.STOP or key in _UNSAID or key in lexicon.MEASURES or key in question.keys
    return light or bool(token.figure) or is_date(key) or _is_month(key)


def _is_month(key: str) -> bool:
    return key in lexicon.MONTHS or key == "month-5"  # as the month of May is read apart from the verb


def _is_placed(question: Question, tokens: Sequence[Token], roots: Sequence[str], at: int) -> bool:
    """Whether a word that is asked about is followed by one that begins a place, and that by no number or date."""
    behind = tokens[at + 2]
    is_place = tokens[at + 1].key in _PLACING and not behind.figure and not is_date(behind.key)
    return roots[at] in question.roots and is_place and not _is_month(behind.key)


def _new_names(question: Question, text: str) -> list[str]:
    """Names that the question does not have, nor what it asks about: "Ferry Road Pumping Station" is no news of who
    built the pumping station.
    """
    about = set(question.roots) - {question.anchor}
    found = []
    for match in _NAME.finditer(text):
        words = match[0].split()
        if words[0].casefold() in lexicon.STOP:
            words = words[1:]
        roots = {root(word) for word in words}
        begins = match.start() == 0 and words == [match[0]] and not match[0].isupper()
        is_old = all(word.casefold() in question.keys for word in words) or (about and about <= roots)
        if words and not begins and not is_old:
            found.append(" ".join(words))
    return found
