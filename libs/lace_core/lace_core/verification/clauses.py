"""What a statement of several clauses says in fewer words: clauses, asides and additions without which the rest holds.

Every rule leaves out words and adds none; what is left is a sentence by itself only where the words around the cut are
of the closed lists of lexicon. Where that is not plain the statement stays whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from lace_core.verification import lexicon
from lace_core.verification.tokens import Keys, Token, Tokens
from lace_core.verification.wording import aside_ranges, keys_of

_MOST_READINGS = 48
_MOST_TOKENS = 160


@lru_cache(maxsize=1024)
def readings(tokens: Tokens) -> Mapping[Keys, Tokens]:
    """The statement and what follows from it by leaving out, by their keys; none of a statement that is broken off."""
    if not tokens or tokens[-1].key in ",:-":
        return {}
    if len(tokens) > _MOST_TOKENS:
        return {keys_of(tokens): tokens}
    seen: dict[Tokens, None] = {tokens: None}
    queue = [tokens]
    while queue and len(seen) < _MOST_READINGS:
        now = queue.pop(0)
        for rule in _RULES:
            for shorter in rule(now):
                if shorter not in seen and len(seen) < _MOST_READINGS:
                    seen[shorter] = None
                    queue.append(shorter)
    return {keys_of(each): each for each in seen}


def parts(tokens: Tokens) -> Iterator[tuple[Tokens, Tokens]]:
    """The two sentences that a sentence joins, where it is plain that it does; each is to hold by itself."""
    for at in range(2, len(tokens) - 2):
        if (rest := _joined(tokens, at)) is not None and not _frames(tokens[:at]) and _are_clauses(tokens[:at]):
            yield tokens[:at], rest
        elif tokens[at].key == "and" and (second := _second_verb(tokens, at)) is not None:
            yield tokens[:at], second


def _joined(tokens: Tokens, at: int) -> Tokens | None:
    """What a comma and a conjunction, or a semicolon, joins to what is before: a clause with a subject of its own."""
    key, after = tokens[at].key, tokens[at + 1].key
    begin = at + 1 if key == ";" else at + 2 if key == "," and after in lexicon.JOINING else 0
    rest = tokens[begin:]
    return rest if begin and has_subject(rest) else None


def has_subject(tokens: Sequence[Token]) -> bool:
    """Whether a clause names what it speaks of before its verb, and not by a pronoun."""
    if not tokens or tokens[0].key in lexicon.PRONOUNS or tokens[0].key in lexicon.FINITE:
        return False
    return any(is_finite(token) for token in tokens[1:])


def is_finite(token: Token) -> bool:
    """Whether the word is a verb that may head a clause, as far as its form tells."""
    key = token.key
    return key in lexicon.FINITE or (key.endswith("ed") and len(key) > 4)


def _frames(tokens: Sequence[Token]) -> bool:
    """Whether what it begins with, or somebody's saying so, may hold for what follows too."""
    if tokens[0].key in lexicon.FRAMING:
        return True
    if any(token.key in ('"', "?", ":") or token.key in lexicon.RETRACTING for token in tokens):
        return True
    return any(token.key in lexicon.SCOPING and not _is_relative(tokens, at) for at, token in enumerate(tokens))


def _is_relative(tokens: Sequence[Token], at: int) -> bool:
    """Whether a "that" tells which one is meant: "the fluid that reached it", unlike "he found that it"."""
    if tokens[at].key != "that" or not 0 < at < len(tokens) - 1:
        return False
    return is_finite(tokens[at + 1]) and not is_finite(tokens[at - 1])


def _clauses(tokens: Tokens) -> Iterator[Tokens]:
    """The clause before a joining word, and the one behind it."""
    end = tokens[_end(tokens) :]
    for at in range(2, len(tokens) - 2):
        rest = _joined(tokens, at)
        before = tokens[:at]
        if rest is None and _goes_on(tokens, at) and any(map(is_finite, before[1:])):
            yield (*before, *end)
        if rest is None or not any(map(is_finite, before[1:])):
            continue
        if any(token.key in lexicon.RETRACTING for token in rest):
            continue
        if not any(token.key in _ADDING_UP for token in before):
            yield (*before, *end)
        if not _frames(before) and _are_clauses(before) and _is_told_alone(before, rest):
            yield rest


def _goes_on(tokens: Tokens, at: int) -> bool:
    """Whether a comma and "and" go on with a clause about what was named, which takes nothing back."""
    if tokens[at].key != "," or tokens[at + 1].key != "and" or tokens[at + 2].key not in _NAMED:
        return False
    rest = tokens[at + 3 :]
    if any(token.key in _ADDING_UP for token in tokens[:at]):
        return False
    return any(map(is_finite, rest)) and not _is_guarded(rest) and not any(t.key in lexicon.RETRACTING for t in rest)


_NAMED = frozenset(("both", "they", "it", "he", "she"))


def _are_clauses(tokens: Sequence[Token]) -> bool:
    """Whether all that commas part has a subject and a verb: then it is no list whose last member follows."""
    commas = [at for at, token in enumerate(tokens) if token.key == ","]
    starts = [0, *(at + 1 for at in commas)]
    return all(has_subject(tokens[start:end]) for start, end in zip(starts, [*commas, len(tokens)], strict=True))


def _is_told_alone(before: Sequence[Token], rest: Sequence[Token]) -> bool:
    """Whether a second clause says what it speaks of and when: it points back to nothing that the first one names."""
    keys = [token.key for token in rest]
    if any(key in lexicon.POINTING for key in keys) or any(pair == ("of", "the") for pair in pairwise(keys[:4])):
        return False
    verb = next(at for at in range(1, len(rest)) if is_finite(rest[at]))
    if verb < 3 and keys[0] == "the":
        return False
    return not any(map(_is_time, before)) or any(map(_is_time, rest))


def _is_time(token: Token) -> bool:
    key = token.key
    return key.startswith(("@", "month-")) or key in lexicon.TIMES or (len(key) == 4 and key[:2] in ("18", "19", "20"))


_ADDING_UP = frozenset(("?", '"', ",", "sum", "total"))
"""With these before it, a comma and "and" may go on with a list."""


def _is_list(tokens: Sequence[Token]) -> bool:
    return sum(token.key == "," for token in tokens) > 1


def _second_verb(tokens: Tokens, at: int) -> Tokens | None:
    """What the first subject does besides: "A failed X and passed Y" says "A passed Y"."""
    verb = tokens[at + 1]
    first = next((i for i in range(1, at) if is_finite(tokens[i])), 0)
    if not first or not is_finite(verb) or is_finite(tokens[at - 1]) or _is_guarded(tokens):
        return None
    if any(is_finite(token) for token in tokens[at + 2 :]) and verb.key not in lexicon.AUXILIARIES:
        return None  # what looks like a verb may be part of a name for who acts next
    if verb.key in lexicon.AUXILIARIES or tokens[first].key not in lexicon.AUXILIARIES:
        return (*tokens[:first], *tokens[at + 1 :])
    return None


def _verbs(tokens: Tokens) -> Iterator[Tokens]:
    for at in range(2, len(tokens) - 2):
        if tokens[at].key == "and" and (second := _second_verb(tokens, at)) is not None:
            yield (*tokens[:at], *tokens[_end(tokens) :])
            if not _frames(tokens[:at]):
                yield second


def _asides(tokens: Tokens) -> Iterator[Tokens]:
    for aside in aside_ranges(tokens):
        yield (*tokens[: aside.start], *tokens[aside.stop :])


def _additions(tokens: Tokens) -> Iterator[Tokens]:
    """Without what a last comma adds: a participle, what it is compared with, of which how many, when on a day."""
    end = _end(tokens)
    for at in range(3, end - 2):
        if tokens[at].key != "," or any(token.key == "," for token in tokens[at + 1 : end]):
            continue
        after = tokens[at + 1 : end]
        own = after[1:] if after[0].key == "when" else after
        if _is_addition(tokens[:at], after) and not _is_guarded(own):
            yield (*tokens[:at], *tokens[end:])
        told = after[1:] if after[0].key in _SHARE else after
        if told[0].key == "because" and _is_reason(tokens[:at], told):
            yield (*tokens[:at], *tokens[end:])


def _is_addition(before: Sequence[Token], after: Sequence[Token]) -> bool:
    first, second = after[0].key, after[1].key
    if first == "of":
        return second in lexicon.RELATIVE
    if first == "when":
        return before[-2].key == "@" and not _frames(before)
    if first not in lexicon.ADDING:
        return False
    return not _is_list(before) and not any(t.key in ("and", "or") for t in after[:2])


def _is_reason(before: Sequence[Token], after: Sequence[Token]) -> bool:
    """Whether the reason only explains what the clause before it states: neither of them negates."""
    both = (*before, *after)
    turns = lexicon.NEGATIONS | lexicon.RETRACTING | lexicon.SAYING | lexicon.QUALIFIERS
    return not any(token.key in turns for token in both) and not _frames(before)


_SHARE = frozenset("mainly partly largely chiefly mostly simply".split())


_RATES = frozenset(("rate", "cost", "price", "speed"))


def _rates(tokens: Tokens) -> Iterator[Tokens]:
    """Without the rate, cost or speed that a last "at a … of" adds."""
    end = _end(tokens)
    for at in range(3, end - 4):
        first, article, rate, of = (token.key for token in tokens[at : at + 4])
        is_rate = first == "at" and article == "a" and rate in _RATES and of == "of"
        if is_rate and not _is_guarded(tokens[at:end]):
            yield (*tokens[:at], *tokens[end:])


def _appositions(tokens: Tokens) -> Iterator[Tokens]:
    """Without a second name between commas before the verb, with it in place of the first, and with both turned."""
    first = next((at for at, token in enumerate(tokens) if token.key == ","), 0)
    second = next((at for at in range(first + 1, len(tokens)) if tokens[at].key == ","), 0)
    if not 1 <= first < second - 1 or second - first > 9 or second + 1 >= len(tokens):
        return
    inner, outer, rest = tokens[first + 1 : second], tokens[:first], tokens[second + 1 :]
    if lexicon.ARTICLES.isdisjoint((inner[0].key, outer[0].key)):
        return
    if not is_finite(rest[0]) or any(is_finite(token) or token.key in _NO_NAME for token in (*inner, *outer)):
        return
    if not _is_guarded((*inner, *outer)):
        yield (*outer, *rest)
        yield (*inner, *rest)
        yield (*inner, tokens[first], *outer, tokens[second], *rest)


_NO_NAME = lexicon.RELATIVE | frozenset(("and", "or", "nor", "to", "for", "with", "in", "on", "by", "as"))
_LABELS = frozenset(("decision", "note", "result"))


def _labels(tokens: Tokens) -> Iterator[Tokens]:
    """Without the label of a line of minutes."""
    if len(tokens) > 3 and tokens[0].key in _LABELS and tokens[1].key == ":":
        yield tokens[2:]


_RULES: tuple[Callable[[Tokens], Iterator[Tokens]], ...] = (
    _asides,
    _clauses,
    _additions,
    _verbs,
    _appositions,
    _rates,
    _labels,
)


def _is_guarded(tokens: Sequence[Token]) -> bool:
    return any(t.key in lexicon.NEGATIONS or t.key in lexicon.HEDGES or t.key in lexicon.QUALIFIERS for t in tokens)


def _end(tokens: Sequence[Token]) -> int:
    """Where the closing marks begin: they stay, as a question mark makes a difference."""
    end = len(tokens)
    while end and tokens[end - 1].key in ".!?\"'":
        end -= 1
    return end
