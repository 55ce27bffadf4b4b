"""What a text says across lines and sentences: a list under its head, a label and its value, a pronoun for a name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from lace_core.verification import equivalents, lexicon
from lace_core.verification.inferring import is_plain, is_verb, subject_end
from lace_core.verification.tokens import Token, Tokens
from lace_core.verification.wording import Statement, lines_of, listed, statements, stems_of

_LONGEST_LABEL = 4
_LONGEST_VALUE = 12
_MOST_ITEMS = 40


@lru_cache(maxsize=1024)
def spelled(text: str) -> tuple[Statement, ...]:
    """Statements that the text makes and no single one of its own statements holds."""
    found = [*_labels(text), *_resolved(statements(text))]
    if "\n" in text:
        found += _of_lists(text)
    return tuple(_statement(tokens) for tokens in dict.fromkeys(found))


def _statement(tokens: Tokens) -> Statement:
    text = " ".join(token.figure or token.key for token in tokens)
    return Statement(text, tokens, stems_of(tokens), opens_small=False, closes=True)


def _labels(text: str) -> Iterator[Tokens]:
    """ "Capacity: 400 litres" as "the capacity is 400 litres"; none of a label that is there twice."""
    if ":" not in text or " | " in text:
        return
    found = [pair for tokens in lines_of(text) if (pair := _label(tokens)) is not None]
    times = Counter(label for label, _ in found)
    for label, value in found:
        if times[label] == 1:
            yield from ((*label, Token(link), *value) for link in ("is", "was"))


def _label(tokens: Tokens) -> tuple[Tokens, Tokens] | None:
    at = next((at for at, token in enumerate(tokens) if token.key == ":"), 0)
    label, value = tokens[:at], _bare(tokens[at + 1 :])
    if not 0 < at <= _LONGEST_LABEL or not 0 < len(value) <= _LONGEST_VALUE:
        return None
    if any(is_verb(token) or token.figure for token in label) or any(is_verb(token) for token in value):
        return None
    return None if any(token.key in _NO_VALUE for token in value) else (label, value)


_NO_VALUE = lexicon.NEGATIONS | lexicon.RELATIVE | frozenset(",;:?")


def _of_lists(text: str) -> Iterator[Tokens]:
    """The whole list in one sentence, and each item by itself where the head's verb has each for its object."""
    found = listed(text)
    if found is None:
        return
    head, items = found[0], [_bare(item) for item in found[1]]
    if not is_plain(head) or not 1 < len(items) <= _MOST_ITEMS or not all(map(_is_item, items)):
        return
    row = _row(items)
    if any(is_verb(token) for token in head):
        yield (*head, *row)
    else:
        yield from ((*head, Token(link), *row) for link in ("is", "was"))
    if head[-1].key in equivalents.LISTING and subject_end(head) in (0, len(head) - 1):
        yield from ((*head, *item) for item in items)


def _is_item(item: Tokens) -> bool:
    """Whether it is an item that goes with the others, and no list of its own."""
    return bool(item) and is_plain(item) and not any(token.key == ":" for token in item)


def _row(items: Sequence[Tokens]) -> Tokens:
    found: list[Token] = list(items[0])
    for item in items[1:-1]:
        found += (Token(","), *item)
    return (*found, Token("and"), *items[-1])


def _bare(tokens: Tokens) -> Tokens:
    """Without the mark and the conjunction at its end."""
    end = len(tokens)
    while end and tokens[end - 1].key in (".", ";", ",", "and"):
        end -= 1
    return tokens[:end]


def _resolved(stated: Sequence[Statement]) -> Iterator[Tokens]:
    """A sentence that begins with "it", "its", "they" or "their", where only one thing was named before."""
    for before, after in pairwise(stated):
        if len(after.tokens) > 2 and after.tokens[0].key in _POINTING and not after.opens_small:
            yield from _with_name(before.tokens, after.tokens)
    for one in stated:
        yield from _in_second_clause(one.tokens)


_POINTING = frozenset(("it", "its", "they", "their"))


def _in_second_clause(tokens: Tokens) -> Iterator[Tokens]:
    """ "The tank was filled in 1922, and it holds 3 litres" as "the tank holds 3 litres"."""
    for at in range(3, len(tokens) - 3):
        if tokens[at].key == "," and tokens[at + 1].key == "and" and tokens[at + 2].key in _POINTING:
            yield from _with_name(tokens[:at], tokens[at + 2 :])
            return


def _with_name(before: Tokens, after: Tokens) -> Iterator[Tokens]:
    verb = subject_end(before)
    name, said = before[:verb], after[1:]
    if not verb or not _names_nothing_else(before, verb) or not _is_one_name(name):
        return
    is_many = name[-1].key.endswith("s") and not name[-1].key.endswith(("ss", "us", "is"))
    if after[0].key.startswith("it") == is_many or any(t.key in ("that", *lexicon.SCOPING) for t in said):
        return
    if after[0].key in ("its", "their"):
        yield (*name[:-1], Token(f"{name[-1].key}'s"), *said)
    elif said[0].key not in equivalents.NO_THING or (said[0].key in _BE and _is_of_a_thing(said)):
        yield (*name, *said)


_BE = frozenset(("is", "was"))


def _is_one_name(name: Tokens) -> bool:
    """Whether it is "the" or "this" with words that name one thing."""
    if name[0].key != "the" or len(name) < 2 or not is_plain(name):
        return False
    return all(token.key.isalpha() and token.key not in lexicon.STOP | lexicon.PARTITIVE for token in name[1:])


def _is_of_a_thing(said: Tokens) -> bool:
    """Whether what "it is" is followed by can only be said of a thing: an article, or what was done to it."""
    return len(said) > 2 and (said[1].key in lexicon.ARTICLES or said[1].key.endswith("ed")) and said[1].key != "said"


def _names_nothing_else(tokens: Tokens, verb: int) -> bool:
    """Whether what follows the verb is no name: what was done, when, and how much."""
    for at in range(verb + 1, len(tokens)):
        key = tokens[at].key
        is_number = bool(tokens[at].figure) or key.startswith("@") or key in lexicon.MEASURES
        is_done = at == verb + 1 and (key.endswith("ed") or key in equivalents.PAST_OF)
        if not (is_number or is_done or key in lexicon.TIMES or key in _SMALL or key.startswith("month-")):
            return False
    return True


_SMALL = frozenset("in on at by since from until to of the a and or , . ; been be about again".split())
