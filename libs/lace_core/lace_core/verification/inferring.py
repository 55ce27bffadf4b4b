"""What follows from a statement in other words than its own: by a rule of English and a table of equivalents.

Each rule takes the tokens of one clause and gives those of another, which says the same or less. None of them takes a
clause that negates, hedges or qualifies, or that somebody else says, unless it keeps all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lace_core.verification import equivalents, lexicon
from lace_core.verification.tokens import Token, Tokens

_BE = frozenset(("is", "was"))
_PREPOSITIONS = lexicon.BEGINNING | frozenset(
    "of to into onto upon without among against towards behind beside via per despite before after".split()
)
_LONGEST_NAME = 9
_MOST = 12


def follows(tokens: Tokens) -> Iterator[Tokens]:
    """What follows from it by one rule; the closing marks stay."""
    end = _end(tokens)
    body, marks = tokens[:end], tokens[end:]
    keys = frozenset(token.key for token in body)
    if len(body) < 3 or "?" in (mark.key for mark in marks) or '"' in keys:
        return
    for triggers, rule in _RULES:
        if triggers is None or not triggers.isdisjoint(keys):
            for found in rule(body):
                yield (*found, *marks)


def subject_end(tokens: Sequence[Token]) -> int:
    """Where the subject of a plain clause ends and its verb stands; 0 where that is not plain."""
    at = next((at for at, token in enumerate(tokens) if is_verb(token)), 0)
    if not 0 < at <= _LONGEST_NAME:
        return 0
    subject = tokens[:at]
    if subject[0].key in lexicon.FRAMING or subject[0].key in lexicon.PRONOUNS:
        return 0
    if any(token.key in lexicon.PLACING or not (token.key[0].isalnum() or token.figure) for token in subject):
        return 0
    return at


def is_verb(token: Token) -> bool:
    """Whether the word is a verb that may head a clause, as far as its form and the tables tell."""
    key = token.key
    return key in lexicon.FINITE or key in equivalents.PARTICIPLE_OF or (key.endswith("ed") and len(key) > 4)


def is_participle(token: Token) -> bool:
    """Whether the word is a participle of the passive, as far as its form and the tables tell."""
    key = token.key
    return key in equivalents.PAST_OF or (key.endswith("ed") and len(key) > 4)


def is_plain(tokens: Sequence[Token]) -> bool:
    """Whether nothing in it negates, hedges, qualifies, or puts it under somebody's saying."""
    return not any(token.key in _TURNING for token in tokens)


_TURNING = (
    lexicon.NEGATIONS
    | lexicon.HEDGES
    | lexicon.QUALIFIERS
    | lexicon.SCOPING
    | lexicon.RETRACTING
    | lexicon.SUBORDINATING
    | lexicon.RELATIVE
)


def _adverbs(body: Tokens) -> Iterator[Tokens]:
    """Without an adverb that only tells how: "the panel carefully reviewed it"."""
    if any(token.key in lexicon.NEGATIONS or token.key in _COMPARING for token in body):
        return
    for at, token in enumerate(body):
        if token.key in equivalents.DROPPABLE and not (at and body[at - 1].key in _GRADING):
            yield (*body[:at], *body[at + 1 :])
    for at in range(len(body) - 1):
        if body[at].key == "in" and body[at + 1].key == "total":
            rest = at + 3 if at + 2 < len(body) and body[at + 2].key == "," else at + 2
            yield (*body[:at], *body[rest:])


_COMPARING = frozenset(("than", "only", "if", "unless", "too", "enough"))
_GRADING = frozenset(("more", "most", "less", "least", "as", "so", "too", "how", "and", "or", "but"))


def _relative(body: Tokens) -> Iterator[Tokens]:
    """ "The abbey, which was founded in 1132, lies there" as "the abbey was founded in 1132"."""
    found = aside_of(body)
    if found is None:
        return
    subject, inner, rest = found
    if any(token.key in lexicon.SCOPING for token in body) or any(t.key in _PREPOSITIONS for t in subject):
        return
    if inner[0].key in ("which", "who") and is_verb(inner[1]):
        yield (*subject, *inner[1:])
    elif is_participle(inner[0]) and is_plain(inner) and inner[0].key not in _OUTER:
        if inner[1].key in ("by", "in", "on", "at", "from"):  # without them it may be a condition
            yield (*subject, *rest)
        yield (*subject, Token("was"), *inner)
        if rest[0].key in ("is", "has") or (rest[0].key.endswith("s") and rest[0].key != "was"):
            yield (*subject, Token("is"), *inner)
    elif inner[0].key in lexicon.ARTICLES and is_plain(inner) and is_verb(rest[0]):
        yield from ((*subject, Token(link), *inner) for link in _BE)


_OUTER = frozenset("compared based given provided followed according regarded considered supposed".split())


def aside_of(body: Tokens) -> tuple[Tokens, Tokens, Tokens] | None:
    """A subject, what the first two commas hold, and the rest; none where the subject is more than a name."""
    first = next((at for at, token in enumerate(body) if token.key == ","), 0)
    second = next((at for at in range(first + 1, len(body)) if body[at].key == ","), 0)
    if not 0 < first <= _LONGEST_NAME or second - first < 3 or second + 1 >= len(body):
        return None
    subject, inner, rest = body[:first], body[first + 1 : second], body[second + 1 :]
    if subject[0].key in lexicon.FRAMING or subject[0].key in lexicon.PRONOUNS or not is_plain(subject):
        return None
    if any(is_verb(token) or token.key in ("and", "or") or token.key in lexicon.PLACING for token in subject):
        return None
    return None if rest[0].key in ("and", "or") else (subject, inner, rest)


def _agentless(body: Tokens) -> Iterator[Tokens]:
    """ "Rosa Lind painted the mural in 1987" as "the mural was painted in 1987"."""
    verb = subject_end(body)
    if not verb or not is_plain(body) or any(is_verb(token) for token in body[verb + 1 :]):
        return
    if any(token.figure or token.key in lexicon.PARTITIVE or token.key == "and" for token in body[:verb]):
        return
    past = body[verb].key
    participle = equivalents.PARTICIPLE_OF.get(past, past if past.endswith("ed") else "")
    if not participle or {past, participle} & equivalents.AUTHORITY or past in _NO_OBJECT:
        return
    for end in _ends(body, verb + 1):
        if end + 1 < len(body) and body[end].key == "to" and body[end + 1].key in ("be", "have"):
            continue
        yield (*body[verb + 1 : end], Token("was"), Token(participle), *body[end:])


_NO_OBJECT = frozenset(
    "became remained ran met led stood lasted equalled resembled weighed seemed appeared had".split()
)


def _ends(body: Tokens, start: int) -> Iterator[int]:
    """Where a name that begins there may end: before a preposition, or with the clause; none without a beginning."""
    if start >= len(body) or body[start].key in _PREPOSITIONS or body[start].key in lexicon.STOP - lexicon.ARTICLES:
        return
    for end in range(start + 1, min(len(body), start + _LONGEST_NAME) + 1):
        if end == len(body) or (body[end].key in _PREPOSITIONS and body[end].key != "of"):
            yield end


def _without_agent(body: Tokens) -> Iterator[Tokens]:
    """ "The sluice was replaced by the trust in 1994" without who did it."""
    if not is_plain(body):
        return
    for by in range(3, len(body) - 1):
        done = body[_before_time(body, by) - 1]
        if body[by].key != "by" or not is_participle(done) or done.key in equivalents.AUTHORITY:
            continue
        if body[by + 1].figure or body[by + 1].key in lexicon.TIMES or body[by + 1].key.startswith(("@", "month-")):
            continue
        if body[by + 1].key[0].isalpha() and any(token.key in _BE for token in body[:by]):
            ends = [end for end in _ends(body, by + 1) if end == len(body) or body[end].key != "to"]
            yield from ((*body[:by], *body[end:]) for end in ends)


def _before_time(body: Tokens, end: int) -> int:
    """Where a time begins that ends there; the end itself where none does."""
    at = end
    while at and _is_when(body[at - 1]):
        at -= 1
    return at - 1 if at < end and at > 1 and body[at - 1].key in ("in", "on") else end


def _given(body: Tokens) -> Iterator[Tokens]:
    """ "X was awarded Y in May" and "Y was awarded to X in May"."""
    link = next((at for at, token in enumerate(body[:-2]) if token.key in _BE), 0)
    if not link or body[link + 1].key not in equivalents.GIVING or subject_end(body) != link:
        return
    start = link + 2
    if body[start].key == "to":
        for end in _ends(body, start + 1):
            yield (*body[start + 1 : end], *body[link:start], *body[:link], *body[end:])
    else:
        for end in _ends(body, start):
            yield (*body[start:end], *body[link:start], Token("to"), *body[:link], *body[end:])


def _identity(body: Tokens) -> Iterator[Tokens]:
    """ "Ada Holm was the winner" and "the winner was Ada Holm"."""
    link = subject_end(body)
    if not link or body[link].key not in _BE or not is_plain(body) or link + 1 >= len(body):
        return
    before, after = body[:link], body[link + 1 :]
    if any(token.key in _QUANTIFYING for token in body):
        return
    if "the" not in (before[0].key, after[0].key) or {before[0].key, after[0].key} & {"a", "an"}:
        return
    if after[0].key in _PREPOSITIONS or any(is_verb(token) or token.key in (",", "and", "than") for token in after):
        return
    if len(after) == 1 and not (after[0].figure or after[0].key[0] == "@"):
        return  # an adjective, it may be
    yield (*after, body[link], *before)


_QUANTIFYING = frozenset("all each any both every such same opposite".split())


def _partitive(body: Tokens) -> Iterator[Tokens]:
    """ "52 of the votes were invalid" and "of the votes, 52 were invalid"."""
    of = next((at for at, token in enumerate(body[:5]) if token.key == "of"), -1)
    if of == 0:
        comma = next((at for at, token in enumerate(body) if token.key == ","), 0)
        if comma > 1 and comma + 2 < len(body) and body[comma + 1].figure:
            count = comma + 3 if body[comma + 2].key == "%" else comma + 2
            yield (*body[comma + 1 : count], *body[:comma], *body[count:])
    elif of > 0 and body[0].figure and all(token.figure or token.key == "%" for token in body[:of]):
        verb = next((at for at in range(of + 2, len(body)) if is_verb(body[at])), 0)
        if verb and not any(t.key in _PREPOSITIONS or t.key in (",", "and", "or") for t in body[of + 1 : verb]):
            yield (*body[of:verb], *body[:of], *body[verb:])


def _measured(body: Tokens) -> Iterator[Tokens]:
    """ "The height of the tower is 52 m", "the tower has a height of 52 m" and "the tower is 52 m high"."""
    link = next((at for at, token in enumerate(body) if token.key in _HOLDING), 0)
    if not link or not is_plain(body[:link]):
        return
    yield from _of_attribute(body, link)
    yield from _with_attribute(body, link)


_HOLDING = frozenset(("is", "was", "has", "had", "weighs", "weighed", "costs", "cost"))


def _of_attribute(body: Tokens, link: int) -> Iterator[Tokens]:
    named = body[1:] if body[0].key == "the" else body
    shift = len(body) - len(named)
    at = link - shift
    if at < 3 or named[1].key != "of" or named[0].key in lexicon.PARTITIVE or body[link].key not in _BE:
        return
    noun, owner = named[0].key, named[2:at]
    if any(token.key in _PREPOSITIONS or token.key == "," for token in owner):
        return
    if not (end := quantity_end(body, link + 1)):
        return
    quantity, rest, is_past = body[link + 1 : end], body[end:], body[link].key == "was"
    yield (*owner, Token("had" if is_past else "has"), Token(noun), Token("of"), *quantity, *rest)
    if noun in equivalents.EXTENT:
        yield (*owner, body[link], *quantity, Token(equivalents.EXTENT[noun]), *rest)
    if noun in equivalents.VERB_OF_MEASURE:
        yield (*owner, Token(equivalents.VERB_OF_MEASURE[noun][is_past]), *quantity, *rest)


def _with_attribute(body: Tokens, link: int) -> Iterator[Tokens]:
    if subject_end(body) not in (0, link) or body[0].key in lexicon.FRAMING or body[0].key in lexicon.PRONOUNS:
        return
    owner, verb, after = body[:link], body[link].key, body[link + 1 :]
    if any(token.key in _PREPOSITIONS or token.key == "," for token in owner):
        return
    if verb in ("has", "had"):
        named = after[1:] if after and after[0].key in lexicon.ARTICLES else after
        if len(named) > 2 and named[1].key == "of" and named[0].key not in lexicon.PARTITIVE and quantity_end(named, 2):
            be = Token("was" if verb == "had" else "is")
            yield (named[0], Token("of"), *owner, be, *named[2:])
        return
    end = quantity_end(body, link + 1)
    for noun, adjective in equivalents.EXTENT.items():
        if end and verb in _BE and end < len(body) and body[end].key == adjective:
            yield (Token(noun), Token("of"), *owner, body[link], *body[link + 1 : end], *body[end + 1 :])
    for noun, forms in equivalents.VERB_OF_MEASURE.items():
        for form, link_verb in zip(forms, ("is", "was"), strict=True):
            if end and verb == form:
                yield (Token(noun), Token("of"), *owner, Token(link_verb), *body[link + 1 :])


def quantity_end(tokens: Sequence[Token], at: int) -> int:
    """Where an amount ends that begins there, with its unit; 0 where none does, or only a bare number."""
    start = at
    if at < len(tokens) and tokens[at].key == "about":
        at += 1
    money = at < len(tokens) and tokens[at].key in "£$€¥"
    at += money
    if at >= len(tokens) or not tokens[at].figure or tokens[at].key.startswith("@"):
        return 0
    at += 1
    is_unit = at < len(tokens) and (tokens[at].key in lexicon.MEASURES or tokens[at].key in ("square", "cubic"))
    while at < len(tokens) and (tokens[at].key in lexicon.MEASURES or tokens[at].key in _OF_UNITS):
        at += 1
    return at if (money or is_unit) and at > start else 0


_OF_UNITS = frozenset(("square", "cubic", "megaw", "per", "year", "second", "day"))


def _changed(body: Tokens) -> Iterator[Tokens]:
    """ "Exports rose by 4%", "the rise in exports was 4%" and "there was a rise in exports of 4%"."""
    yield from _change_as_noun(body)
    yield from _change_as_verb(body)


def _change_as_noun(body: Tokens) -> Iterator[Tokens]:
    at = next((at for at, token in enumerate(body) if token.key in equivalents.CHANGE), 0)
    if not at or subject_end(body) != at or not is_plain(body[:at]) or at + 2 >= len(body):
        return
    if body[at + 1].key != "by" or not (end := quantity_end(body, at + 2)):
        return
    noun, owner, amount, rest = Token(equivalents.CHANGE[body[at].key]), body[:at], body[at + 2 : end], body[end:]
    into, of, was = Token("in"), Token("of"), Token("was")
    yield (noun, into, *owner, was, *amount, *rest)
    yield (Token("there"), was, noun, into, *owner, of, *amount, *rest)
    yield (Token("there"), was, noun, of, *amount, into, *owner, *rest)
    yield from ((*owner, Token(saw), noun, of, *amount, *rest) for saw in ("saw", "showed", "recorded"))


def _change_as_verb(body: Tokens) -> Iterator[Tokens]:
    at = next((at for at, token in enumerate(body[:4]) if token.key in _VERB_OF_CHANGE), -1)
    if at < 0 or not is_plain(body) or any(token.key not in (*_BE, "there", "the", "a") for token in body[:at]):
        return
    verb, by, rest = Token(_VERB_OF_CHANGE[body[at].key]), Token("by"), body[at + 1 :]
    if rest[:1] and rest[0].key == "in":
        mark = next((i for i, t in enumerate(rest) if t.key in ("of", "was") and quantity_end(rest, i + 1)), 0)
        if mark > 1 and (rest[mark].key == "was") != (body[0].key == "there"):
            yield (*rest[1:mark], verb, by, *rest[mark + 1 :])
    elif rest[:1] and rest[0].key == "of" and body[0].key == "there" and (end := quantity_end(rest, 1)):
        stops = _ends(rest, end + 1) if end < len(rest) and rest[end].key == "in" else ()
        yield from ((*rest[end + 1 : stop], verb, by, *rest[1:end], *rest[stop:]) for stop in stops)


_VERB_OF_CHANGE = {noun: verb for verb, noun in equivalents.CHANGE.items()}


def _occasions(body: Tokens) -> Iterator[Tokens]:
    """ "The viaduct was completed in 1876" as "the completion of the viaduct was in 1876"."""
    link = subject_end(body)
    if not link or body[link].key != "was" or link + 2 >= len(body) or not is_plain(body):
        return
    done, rest = body[link + 1].key, body[link + 2 :]
    if done in equivalents.OCCASION and rest[0].key in lexicon.PLACING:
        for verb in ("was", "occurred", "came"):
            yield (Token(equivalents.OCCASION[done]), Token("of"), *body[:link], Token(verb), *rest)


def _compared(body: Tokens) -> Iterator[Tokens]:
    """ "The west tower is taller than the east tower" as "the east tower is shorter than the west tower"."""
    than = next((at for at, token in enumerate(body) if token.key == "than"), 0)
    link = next((at for at, token in enumerate(body[:than]) if token.key in _BE), 0)
    if not link or than + 1 >= len(body) or not is_plain(body) or any(is_verb(t) for t in body[than:]):
        return
    word = next((at for at in range(link + 1, than) if body[at].key in equivalents.COMPARED), 0)
    if not word or (word != link + 1 and quantity_end(body, link + 1) != word):
        return
    for other in equivalents.COMPARED[body[word].key]:
        yield from _turned_comparison(body, (link, word, than), Token(other))


def _turned_comparison(body: Tokens, places: tuple[int, int, int], other: Token) -> Iterator[Tokens]:
    link, word, than = places
    before, extent, between, after = body[:link], body[link:word], body[word + 1 : than], body[than + 1 :]
    places_too = len(after) > 1 and after[0].key in lexicon.PLACING
    if not places_too and not between and subject_end(body) == link:
        yield (*after, *extent, other, body[than], *before)
    elif places_too and between[:1] == after[:1] and subject_end(body) == link:
        yield (*before, *extent, other, *after, body[than], *between)
    elif places_too and not between and before[0].key == after[0].key:
        length = len(after)
        if len(before) > length and not any(t.key in lexicon.PLACING for t in before[length:]):
            yield (*after, *before[length:], *extent, other, body[than], *before[:length])


def _amounts(body: Tokens) -> Iterator[Tokens]:
    """ "The grant of £7 million" as "the £7 million grant"."""
    for at in range(2, len(body) - 1):
        if body[at].key == "of" and (end := quantity_end(body, at + 1)):
            start = next((i for i in range(at - 1, max(-1, at - 6), -1) if body[i].key in ("a", "an", "the")), -1)
            name = body[start + 1 : at]
            if start >= 0 and name and name[0].key not in lexicon.PARTITIVE and all(map(_is_in_name, name)):
                yield (*body[: start + 1], *body[at + 1 : end], *name, *body[end:])


def _is_in_name(token: Token) -> bool:
    return token.key[0].isalpha() and token.key not in _PREPOSITIONS and not is_verb(token)


def _members(body: Tokens) -> Iterator[Tokens]:
    """ "The trust bought a mill and a quarry" as "the trust bought a mill"."""
    verb = subject_end(body)
    if not verb or body[verb].key not in equivalents.HAVING or not is_plain(body):
        return
    head, objects = body[: verb + 1], body[verb + 1 :]
    if any(is_verb(token) or token.key in _TOGETHER for token in objects):
        return
    end = next((at for at, token in enumerate(objects) if token.key in lexicon.PLACING), len(objects))
    members, place = list(_parted(objects[:end])), objects[end:]
    if 1 < len(members) <= _MOST and all(_is_member(member) for member in members):
        whole = members if all(map(_is_when, place[1:])) else members[-1:]
        yield from ((*head, *member, *place) for member in whole)


def _is_when(token: Token) -> bool:
    """Whether it belongs to a date or a year, which is that of all that a sentence says."""
    return bool(token.figure) or token.key[0] == "@" or token.key in lexicon.TIMES or token.key.startswith("month-")


_TOGETHER = frozenset("between both together half quarter or nor per each".split())


def _parted(objects: Tokens) -> Iterator[Tokens]:
    start = 0
    for at, token in enumerate(objects):
        if token.key in (",", "and"):
            if at > start:
                yield objects[start:at]
            start = at + 1
    yield objects[start:]


def _is_member(member: Tokens) -> bool:
    """Whether it is a name by itself: with an article or a number, a word, and no unit or place."""
    if len(member) < 2 or not (member[0].key in ("a", "an", "the") or member[0].figure):
        return False
    return all(token.key[0].isalnum() and token.key not in _NO_PART for token in member[1:])


_NO_PART = lexicon.MEASURES | lexicon.TIMES | _PREPOSITIONS


def _restated(body: Tokens) -> Iterator[Tokens]:
    """ "408 megawatt hours, or 38 per cent" with either amount alone."""
    for at in range(2, len(body) - 2):
        if body[at].key == "," and body[at + 1].key == "or" and (end := quantity_end(body, at + 2)):
            start = next((i for i in range(max(0, at - 6), at) if quantity_end(body, i) == at), 0)
            if start and body[end - 1].key != body[at - 1].key:
                yield (*body[:at], *body[end:])
                yield (*body[:start], *body[at + 2 :])


def _said(body: Tokens) -> Iterator[Tokens]:
    """ "According to the mayor, it is safe" and "the mayor said it is safe"."""
    keys = [token.key for token in body]
    if keys[:2] == ["according", "to"] and "," in keys:
        at = keys.index(",")
        if at + 1 < len(keys) and keys[at + 1] in _PREPOSITIONS:
            return  # a time or place of what is said would become that of the saying
        yield from ((*body[2:at], Token(said), *body[at + 1 :]) for said in ("said", "says", "reported"))
    at = next((at for at, key in enumerate(keys) if key in ("said", "says")), 0)
    after = keys[at + 1 : at + 2]
    is_who = 0 < at <= _LONGEST_NAME and is_plain(body[:at]) and body[0].key not in lexicon.PRONOUNS
    is_who = is_who and not any(is_verb(token) or token.key in _PREPOSITIONS - {"of"} for token in body[:at])
    if is_who and after and after[0] not in _PREPOSITIONS | {",", "so", "no", "yes"}:
        yield (Token("according"), Token("to"), *body[:at], Token(","), *body[at + 1 :])


def _end(tokens: Tokens) -> int:
    end = len(tokens)
    while end and tokens[end - 1].key in ".!?":
        end -= 1
    return end


Rule = Callable[[Tokens], Iterator[Tokens]]
_RULES: tuple[tuple[frozenset[str] | None, Rule], ...] = (
    (equivalents.DROPPABLE | {"total"}, _adverbs),
    (frozenset((",",)), _relative),
    (None, _agentless),
    (frozenset(("by",)), _without_agent),
    (equivalents.GIVING, _given),
    (_BE, _identity),
    (frozenset(("of",)), _partitive),
    (_HOLDING, _measured),
    (frozenset((*equivalents.CHANGE, *_VERB_OF_CHANGE)), _changed),
    (frozenset(equivalents.OCCASION), _occasions),
    (frozenset(("than",)), _compared),
    (frozenset(("of",)), _amounts),
    (equivalents.HAVING, _members),
    (frozenset(("or",)), _restated),
    (frozenset(("said", "says", "according")), _said),
)
