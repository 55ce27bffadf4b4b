"""A sentence that says two things, as the two sentences that it joins: each of them has to hold by itself."""

from __future__ import annotations

from collections.abc import Iterator

from lace_core.verification import lexicon
from lace_core.verification.clauses import parts
from lace_core.verification.inferring import aside_of, is_participle, is_plain, is_verb, subject_end
from lace_core.verification.tokens import Token, Tokens

_LONGEST_SUBJECT = 6


def splits(tokens: Tokens) -> Iterator[tuple[Tokens, Tokens]]:
    """The pairs of sentences that the sentence may join; for a pair that makes no sense there is no evidence."""
    yield from parts(tokens)
    if any(token.key in lexicon.SCOPING or token.key in ('"', "?", ":") for token in tokens):
        return
    if tokens[0].key in lexicon.FRAMING:
        return
    yield from _gapped(tokens)
    yield from _beside(tokens)
    yield from _verbs(tokens)


def _beside(tokens: Tokens) -> Iterator[tuple[Tokens, Tokens]]:
    """A subject with what its commas hold, and with the rest."""
    found = aside_of(tokens)
    if found is None:
        return
    subject, inner, rest = found
    if inner[0].key in ("which", "who"):
        yield (*subject, *inner[1:]), (*subject, *rest)
    elif is_participle(inner[0]) or inner[0].key in lexicon.ARTICLES:
        for link in ("was", "is"):
            yield (*subject, Token(link), *inner), (*subject, *rest)


def _gapped(tokens: Tokens) -> Iterator[tuple[Tokens, Tokens]]:
    """ "A was let to X, and B to Y": the second clause has the first one's verb."""
    at = next((at for at in range(len(tokens) - 3) if tokens[at].key == "," and tokens[at + 1].key == "and"), 0)
    first, second = tokens[:at], tokens[at + 2 :]
    verb = subject_end(first) if at else 0
    if not verb or any(is_verb(token) for token in second):
        return
    for place, token in enumerate(second):
        same = next((i for i in range(verb, at) if first[i].key == token.key), 0)
        if place and same and token.key in lexicon.BEGINNING:
            yield first, (*second[:place], *first[verb:same], *second[place:])


def _verbs(tokens: Tokens) -> Iterator[tuple[Tokens, Tokens]]:
    """What one subject does, and what it does besides."""
    for at in range(3, len(tokens) - 2):
        if tokens[at].key == "and" and tokens[at - 1].key != "," and is_plain(tokens):
            for length in range(1, min(_LONGEST_SUBJECT, at - 1) + 1):
                yield tokens[:at], (*tokens[:length], *tokens[at + 1 :])
