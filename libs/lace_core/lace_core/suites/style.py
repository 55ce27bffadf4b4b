"""Checks of how a document is worded: length and voice of sentences, words to avoid, headings, quotations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lace_core.constraints import resolve
from lace_core.suites import checks
from lace_core.suites.passages import Passage, Reading, Section, count_words, words_of
from lace_core.suites.patterns import compiled_pattern, word_pattern
from lace_core.suites.results import Finding, Place

_BE = frozenset("is are was were be been being am".split())
_BETWEEN = frozenset("not also then now still already never always often again being been".split())
_PARTICIPLES = frozenset(
    """
    begun beaten bought bound broken brought built burnt caught chosen cut dealt done drawn driven eaten fallen fed
    felt flown forbidden forgotten found frozen given gone ground grown heard held hidden hit hurt kept known laid led
    left lent lost made meant met overcome paid proven put read risen run said seen sent set shaken shown shut sold
    spent split spoken spread stolen struck sunk sworn taken taught thought thrown told torn understood undertaken
    withdrawn won worn written
    """.split()
)
_NO_PARTICIPLE = frozenset("need red bed indeed hundred speed seed feed weed shed sled embed exceed proceed".split())
_SMALL = frozenset(
    "a an and as at but by for from in into nor of off on onto or over per the to under up via vs with".split()
)
_LETTERS = re.compile(r"[^\W\d_]")


def sentence_length(check: checks.SentenceLength, reading: Reading) -> Iterator[Finding]:
    """Sentences that are too long."""
    sections, missing = reading.chosen(check.sections)
    yield from missing
    for passage in prose(sections):
        words = count_words(passage.text)
        if words > check.at_most:
            message = f"The sentence has {words} words, {check.at_most} are allowed; split it."
            yield Finding(code="SENTENCE_TOO_LONG", message=message, places=(passage.place,))


def passive_voice(check: checks.PassiveVoice, reading: Reading) -> Iterator[Finding]:
    """One finding with the sentences in question, where they are too many."""
    sections, missing = reading.chosen(check.sections)
    yield from missing
    sentences = list(prose(sections))
    passive = [passage for passage in sentences if is_passive(passage.text)]
    if sentences and len(passive) * 100 > check.at_most_percent * len(sentences):
        share = len(passive) * 100 // len(sentences)
        message = (
            f"{len(passive)} of {len(sentences)} sentences ({share} %) are in the passive voice, "
            f"{check.at_most_percent} % are allowed; say who does it."
        )
        places = tuple(passage.place for passage in passive[:20])
        yield Finding(code="PASSIVE_SHARE", message=message, places=places)


def is_passive(sentence: str) -> bool:
    """Whether a form of "be" stands before a participle, adverbs between them aside."""
    words = [word.lower() for word in words_of(sentence)]
    for at, word in enumerate(words):
        if word in _BE:
            after = at + 1
            while after < len(words) and (words[after] in _BETWEEN or words[after].endswith("ly")):
                after += 1
            if after < len(words) and _is_participle(words[after]):
                return True
    return False


def _is_participle(word: str) -> bool:
    return word in _PARTICIPLES or (word.endswith("ed") and len(word) > 3 and word not in _NO_PARTICIPLE)


def forbidden_words(check: checks.ForbiddenWords, reading: Reading) -> Iterator[Finding]:
    """Words and patterns in sentences and headings."""
    sections, missing = reading.chosen(check.sections)
    yield from missing
    wanted = [(word_pattern(word), 1) for word in check.words]
    wanted += [(compiled_pattern(pattern), 0) for pattern in check.patterns]
    for text, place in _texts(sections):
        for pattern, group in wanted:
            if found := pattern.search(text):
                message = f"{found.group(group)!r} is not to be used; reword it."
                yield Finding(code="WORD_FORBIDDEN", message=message, places=(place,))


def glossary(check: checks.Glossary, reading: Reading) -> Iterator[Finding]:
    """Words in place of which the glossary has a term."""
    sections, missing = reading.chosen(check.sections)
    yield from missing
    own = {avoided: term.term for term in check.terms for avoided in term.avoid}
    for section in sections:
        told = resolve(reading.artifact, section.node.node_id)[0].glossary or ()
        terms = {**{avoided: term.term for term in told for avoided in term.avoid}, **own}
        for text, place in _texts((section,)):
            for avoided, term in terms.items():
                if found := word_pattern(avoided).search(text):
                    message = f"{found.group(1)!r} is to be avoided; write {term!r}."
                    yield Finding(code="TERM_AVOIDED", message=message, places=(place,))


def heading_case(check: checks.HeadingCase, reading: Reading) -> Iterator[Finding]:
    """Headings in another case; words that the text itself writes with a capital are names, and keep it."""
    sections, missing = reading.chosen(check.sections)
    yield from missing
    names = set(_names(reading.passages))
    for section in sections:
        if section.depth == 0:
            continue  # the document's own title is its author's
        wrong = [word for word in _miscased(section.node.title, check.case) if word not in names]
        if wrong:
            message = f"{wrong[0]!r} is not in {check.case} case; write it {_recased(wrong[0], check.case)!r}."
            place = Place(node_id=section.node.node_id, section=section.path, text=section.node.title)
            yield Finding(code="HEADING_CASE", message=message, places=(place,))


def _miscased(title: str, case: str) -> Iterator[str]:
    words = [word for word in words_of(title) if _LETTERS.match(word)]
    for at, word in enumerate(words):
        is_plain = word[1:] == word[1:].lower()  # acronyms and the like are written as they are
        if at == 0 or (case == "title" and word.lower() not in _SMALL):
            wrong = word[0].islower() and is_plain
        else:
            wrong = word[0].isupper() and is_plain and len(word) > 1
        if wrong:
            yield word


def _recased(word: str, case: str) -> str:
    return word[0].upper() + word[1:] if word[0].islower() else word.lower()


def _names(passages: Iterable[Passage]) -> Iterator[str]:
    for passage in passages:
        yield from (word for word in words_of(passage.text)[1:] if word[0].isupper())


def quote_share(check: checks.QuoteShare, reading: Reading) -> Iterator[Finding]:
    """One finding where quotations take too much."""
    sections, missing = reading.chosen(check.sections)
    yield from missing
    held = [passage for section in sections for passage in section.passages]
    words = sum(count_words(passage.text) for passage in held)
    quoted = [passage for passage in held if passage.kind == "quote"]
    share = sum(count_words(passage.text) for passage in quoted)
    if share * 100 > check.at_most_percent * words:
        message = (
            f"{share} of {words} words stand in quotations, {check.at_most_percent} % are allowed; say it yourself."
        )
        yield Finding(code="QUOTE_SHARE", message=message, places=tuple(passage.place for passage in quoted[:20]))


def prose(sections: Iterable[Section]) -> Iterator[Passage]:
    """The sentences and list items of sections."""
    return (passage for section in sections for passage in section.passages if passage.is_prose)


def _texts(sections: Iterable[Section]) -> Iterator[tuple[str, Place]]:
    for section in sections:
        yield section.node.title, Place(node_id=section.node.node_id, section=section.path, text=section.node.title)
        for passage in section.passages:
            if passage.kind not in ("code", "equation"):
                yield passage.text, passage.place
