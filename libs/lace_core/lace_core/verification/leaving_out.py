"""What a clause that affirms says without one of its additions: a reason, a manner, a price, what went with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lace_core.verification import equivalents, lexicon
from lace_core.verification.inferring import is_plain, is_verb, quantity_end, subject_end
from lace_core.verification.tokens import Token, Tokens


def without(tokens: Tokens) -> Iterator[Tokens]:
    """The clause without one of its additions; the closing marks stay."""
    end = len(tokens)
    while end and tokens[end - 1].key in ".!?":
        end -= 1
    body, marks = tokens[:end], tokens[end:]
    keys = frozenset(token.key for token in body)
    if len(body) < 5 or not keys.isdisjoint(_STAYING) or "?" in (mark.key for mark in marks):
        return
    for trigger, rule in _RULES:
        if trigger in keys:
            yield from ((*shorter, *marks) for shorter in rule(body))


_STAYING = lexicon.MAY_BE | frozenset(('"', ":", "than"))


def _reason(body: Tokens) -> Iterator[Tokens]:
    """ "Bored piles were used because the ground is soft" without why, and the reason in front left out alike."""
    at = next((at for at, token in enumerate(body) if token.key == "because"), 0)
    main, why = body[:at], body[at + 1 :]
    if at and len(why) > 1 and _is_said_for_good(main) and _is_said_for_good(why) and why[0].key != "of":
        yield main[:-1] if main[-1].key == "," else main
    comma = next((at for at, token in enumerate(body) if token.key == ","), 0)
    if body[0].key == "because" and body[1].key != "of" and comma > 2:
        why, main = body[1:comma], body[comma + 1 :]
        is_main = main and main[0].key not in lexicon.PRONOUNS and not any(token.key == "," for token in main)
        if is_main and _is_said_for_good(main) and _is_said_for_good(why):
            yield main


def _is_said_for_good(tokens: Sequence[Token]) -> bool:
    return is_plain(tokens) and any(map(is_verb, tokens)) and tokens[0].key not in lexicon.FRAMING


def _manner(body: Tokens) -> Iterator[Tokens]:
    """ "The Board cut the cost by moving the site" without how."""
    for at in range(4, len(body) - 1):
        doing = body[at + 1].key
        if body[at].key == "by" and doing.endswith("ing") and len(doing) > 5 and is_plain(body) and subject_end(body):
            yield body[:at]


def _price(body: Tokens) -> Iterator[Tokens]:
    """ "The mill was sold to the trust for £5" without for how much."""
    for at in range(3, len(body) - 1):
        money = body[at + 1].key in "£$€¥" and quantity_end(body, at + 1) == len(body)
        if body[at].key == "for" and money and is_plain(body) and subject_end(body):
            yield body[:at]


def _occasion(body: Tokens) -> Iterator[Tokens]:
    """ "It was closed on 3 May 2019 after the river rose" without what went before: the day says when."""
    for at in range(4, len(body) - 2):
        if body[at].key in ("after", "when") and any(token.key == "@" for token in body[at - 3 : at]):
            main, before = body[:at], body[at + 1 :]
            if subject_end(body) and is_plain(main) and is_plain(before) and any(map(is_verb, before)):
                yield main[:-1] if main[-1].key == "," else main


def _parallel(body: Tokens) -> Iterator[Tokens]:
    """ "They counted 5 geese on a day and 7 ducks on another" with either count alone."""
    verb = subject_end(body)
    if not verb or not is_plain(body) or any(is_verb(token) for token in body[verb + 1 :]):
        return
    if body[verb].key in equivalents.MUTUAL or any(token.key in ("between", "both") for token in body):
        return
    for at in range(verb + 3, len(body) - 3):
        begins = body[at + 1].key in ("a", "the", "an") or body[at + 1].figure
        if body[at].key == "and" and body[at - 2].key == "@" and begins and body[-2].key == "@":
            yield body[:at]
            yield (*body[: verb + 1], *body[at + 1 :])


def _aside_of_code(body: Tokens) -> Iterator[Tokens]:
    """ "Contract HB-1, for the main, was let" without what it is for: the code names it."""
    first = next((at for at, token in enumerate(body) if token.key == ","), 0)
    if not first or not any(char.isdigit() for char in body[first - 1].key) or body[first - 1].figure:
        return
    if body[first + 1].key not in ("for", "in", "at", "near", "on") or not is_plain(body[:first]):
        return
    if body[0].key in lexicon.FRAMING or any(is_verb(token) for token in body[:first]):
        return
    for second in range(first + 2, len(body) - 1):
        if body[second].key == "," and is_verb(body[second + 1]) and is_plain(body[first:second]):
            yield (*body[:first], *body[second + 1 :])


_RULES: tuple[tuple[str, Callable[[Tokens], Iterator[Tokens]]], ...] = (
    ("because", _reason),
    ("by", _manner),
    ("for", _price),
    ("after", _occasion),
    ("when", _occasion),
    ("and", _parallel),
    (",", _aside_of_code),
)
