"""The same sentence in another order: who acts and who is acted on, times and places, reasons, whose something is.

Every turn keeps all words but those that the turn itself needs; a turn that makes no sense equals no statement.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from lace_core.verification import equivalents, lexicon
from lace_core.verification.tokens import Keys, Token
from lace_core.verification.wording import is_simple, keys_of

_LONGEST_PLACE = 9
_MOST_KEYS = 60


def turned(keys: Keys) -> Iterator[Keys]:
    """The same with a time or place brought to the front or from it, where it is plain what that belongs to."""
    if not is_simple(keys) or len(keys) > _MOST_KEYS:
        return
    stops = [at for at in range(1, len(keys)) if keys[at] in lexicon.BEGINNING] + [len(keys)]
    for at in stops[:-1]:
        if keys[at] in lexicon.PLACING and not _is_within(keys, at):
            for end in (stop for stop in stops if at + 1 < stop <= at + _LONGEST_PLACE):
                yield keys[at:end] + keys[:at] + keys[end:]
    if keys[0] in lexicon.PLACING:
        for length in range(2, min(_LONGEST_PLACE, len(keys) - 2) + 1):
            yield from _put_back(keys[:length], keys[length:])


def _put_back(place: Keys, rest: Keys) -> Iterator[Keys]:
    yield rest + place
    for at in range(2, len(rest)):
        if rest[at] in lexicon.BEGINNING and not _is_within(rest, at):
            yield rest[:at] + place + rest[at:]


def _is_within(keys: Keys, at: int) -> bool:
    """Whether a clause of its own has begun before, whose time or place it may be."""
    return any(key in lexicon.SUBORDINATING for key in keys[1:at])


def active(keys: Keys, *, loose: bool = False) -> Iterator[Keys]:
    """The same said of who did it: "the site was surveyed by X in May" as "X surveyed the site in May".

    If `loose`, a place may stand before "by", which somebody reads who knows that it is not the place's own.
    """
    if "by" not in keys or len(keys) > _MOST_KEYS:
        return
    for by in range(3, len(keys) - 1):
        if keys[by] == "by":
            yield from _active(keys, by, by)
            before = range(by - 2, 2, -1) if loose else range(0)
            for at in (at for at in before if keys[at] in lexicon.BEGINNING or keys[at] in ("into", "onto")):
                yield from _active(keys, at, by)


def _active(keys: Keys, stop: int, by: int) -> Iterator[Keys]:
    """With the verb before `stop`, and a place between that and `by`."""
    manner = keys[stop - 1 : stop] if keys[stop - 1].endswith("ly") else ()
    verb = stop - 1 - len(manner)
    link = next((at for at in range(verb - 1, max(0, verb - 4), -1) if keys[at] in _LINKS), 0)
    between = keys[link + 1 : verb]
    if not link or not _is_participle(keys[verb]) or any(key not in _BETWEEN for key in between):
        return
    if not is_affirmed(keys[: by + 1]):
        return
    start = link - 1 if keys[link] == "be" and keys[link - 1] in _MODALS else link
    for said in _forms(keys[start : link + 1], keys[verb]):
        for end in range(by + 2, min(len(keys), by + 7) + 1):
            place = keys[stop:by]
            yield (*keys[by + 1 : end], *said[:-1], *between, said[-1], *keys[:start], *manner, *place, *keys[end:])


_LINKS = frozenset(("was", "is", "be", "been"))
_CONDITIONS = frozenset(("that", "if", "unless", "whether", "when", "only", "except"))
_MODALS = frozenset("will would may must should can could might shall".split())
_BETWEEN = frozenset("now then also already later first again jointly separately fully".split())


def _forms(links: Keys, participle: str) -> Iterator[Keys]:
    """How the active says what the links and the participle say."""
    match links:
        case ("was",):
            yield (equivalents.PAST_OF.get(participle, participle),)
        case ("is",):
            yield from ((f"{stem}{ending}",) for stem, ending in _present(participle))
        case (modal, "be") if modal in _MODALS:
            yield from ((modal, stem) for stem, _ in _present(participle))


def _present(participle: str) -> Iterator[tuple[str, str]]:
    """Stems that a participle in -ed may have, and what they take on: one of them is right, the others are no word."""
    if participle in equivalents.BASE_OF:
        yield equivalents.BASE_OF[participle], "s"
    if participle.endswith("ied"):
        yield participle[:-3], "ies"
        yield f"{participle[:-3]}y", ""
    if participle.endswith("ed"):
        yield participle[:-1], "s"
        yield participle[:-2], "s"
        yield participle[:-3], "s"


def _is_participle(word: str) -> bool:
    return word.endswith("ed") or word in lexicon.ACTS or word in equivalents.PAST_OF


def is_affirmed(keys: Keys) -> bool:
    """Whether it affirms, and under no condition."""
    return not any(key in _CONDITIONS or key in lexicon.NEGATIONS for key in keys)


def reordered(tokens: tuple[Token, ...]) -> Iterator[Keys]:
    """A clause with its conjunction, brought from the front to the end, or from there to the front."""
    end = len(tokens)
    while end and tokens[end - 1].key in ".!?\"'":
        end -= 1
    if end < 5:
        return
    if tokens[0].key not in lexicon.SUBORDINATING:
        begins = [at for at in range(2, end - 1) if tokens[at].key in lexicon.SUBORDINATING]
        yield from _from_the_middle(tokens)
        if len(begins) == 1 and not any(token.key in lexicon.SAYING for token in tokens):
            at = begins[0]
            yield keys_of((*tokens[at:end], *tokens[: at - (tokens[at - 1].key == ",")], *tokens[end:]))
        return
    for at in range(3, end - 2):
        if tokens[at].key == ",":
            yield keys_of((*tokens[at + 1 : end], *tokens[:at], *tokens[end:]))


def _from_the_middle(tokens: tuple[Token, ...]) -> Iterator[Keys]:
    """A time or place between commas, brought to the front: "the hall, on Mondays, opens late"."""
    commas = [at for at, token in enumerate(tokens) if token.key == ","]
    if len(commas) == 2 and tokens[commas[0] + 1].key in lexicon.PLACING and commas[1] - commas[0] < _LONGEST_PLACE:
        first, second = commas
        yield keys_of((*tokens[first + 1 : second], *tokens[:first], *tokens[second + 1 :]))


def owned(keys: Keys) -> Iterator[Keys]:
    """ "The Board's engineer" as "the engineer of the Board", and "band of sandstone" as "sandstone band"."""
    for at, key in enumerate(keys):
        if key.endswith("'s") and len(key) > 3:
            for end in range(at + 2, min(at + 4, len(keys)) + 1):
                yield (*keys[:at], *keys[at + 1 : end], "of", key[:-2], *keys[end:])
        if key == "of" and 0 < at < len(keys) - 1 and keys[at - 1] not in lexicon.PARTITIVE:
            for end in range(at + 2, min(at + 4, len(keys)) + 1):
                owner = keys[at + 1 : end]
                if all(word.isalpha() and word not in lexicon.STOP for word in owner):
                    yield (*keys[: at - 1], *owner, keys[at - 1], *keys[end:])


@lru_cache(maxsize=64)
def ways(tokens: tuple[Token, ...]) -> tuple[frozenset[Keys], frozenset[Keys]]:
    """All that says the same as a sentence, by one turn or two: without any change of whose something is, and with.

    The second may only meet what a statement says in its own words, as owner and owned would else change places.
    """
    own = keys_of(tokens)
    if not own:
        return frozenset(), frozenset()
    acted = set(active(own, loose=True))
    turns = set(turned(own))
    plain = {own, *turns, *acted, *reordered(tokens)}
    plain.update(way for first in acted for way in (*turned(first), *active(first)))
    plain.update(way for first in turns for way in active(first))
    held = set(owned(own))
    held.update(way for first in tuple(held) for way in (*turned(first), *active(first), *owned(first)))
    held.update(way for first in acted for way in owned(first))
    return frozenset(plain), frozenset(held - plain)
