"""What headings say: cleaned wording, what is no content, and the part of a story that a heading announces."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from lace_llm_gateway.adapters.extractive.words import STOP_WORDS, stem, stems, tokens

_NUMBERING = re.compile(
    r"^\s*(?:(?:section|chapter|part|article|appendix|annex|item)\s+)?"
    r"(?:\(?(?:\d+(?:\.\d+)*|[IVXLC]{1,5}|[A-Z]|[a-z])[.):]\s*|\d+(?:\.\d+)+\s+|\d{1,2}\s+(?=[A-Z])|[IVX]{1,4}\s+[\u2013-]\s+)+",
    re.IGNORECASE,
)
_LABELLED = re.compile(r"^(?:section|chapter|part|appendix|annex)\s+(?:\d+|[A-Z])\s*[:.\u2013-]\s*", re.IGNORECASE)
_IDENTIFIER = re.compile(r"^[A-Z]{2,6}[ -]?\d{1,6}\s*[:\u2013\u2014-]\s*")
_TABLE_LABEL = re.compile(
    r"^(?:table|figure|fig\.|tab\.|exhibit|listing|tabelle|tableau|abbildung|chart|box)\s*[A-Z]?\d*(?:[.-]\d+)*\s*[.:\u2013-]?\s+",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\b(?:\d{1,4}(?:st|nd|rd|th)?|january|february|march|april|may|june|july|august|september|october|november|december|"
    r"jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|monday|tuesday|wednesday|thursday|friday|saturday|sunday|q[1-4]|"
    r"meetings?|minutes|sessions?|week|day|month|year|quarter|date|entry|item|record|no|number|page|of|on|the|from|to|and)\b",
    re.IGNORECASE,
)
_RUNNING = re.compile(r"((?<=[^\W.!?:] )|(?<=[,;(] ))?\b([^\W\d_][\w'-]*)")
_AROUND = "()[]\"'.,:;\u201c\u201d"
_AFTER_HEAD = re.compile(
    r"(?<=\w)\s+(?:of|for|on|in|to|at|by|from|that|which|with|under|made|used|during|after)\s+|:\s"
)
_DOCUMENT_END = re.compile(
    r"(?<=\w)\s+(?:report|summary|register|minutes|brief|document|paper|memo|note)$", re.IGNORECASE
)
_BRACKETED_END = re.compile(r"(?<=\w)\s*\([^()]*\)$")
_PHRASES = re.compile(r",|;|/|&|\band\b|\bor\b", re.IGNORECASE)
_LONGEST = 90
_LONGEST_NAME = 4
_MANY_NEIGHBOURS = 4
_LONGEST_ACRONYM = 5

# Parts of a story in the order in which a reader wants them, each with the heading words that announce it.
_PARTS: tuple[tuple[str, str], ...] = (
    ("summary", "summary abstract overview synopsis highlights conclusion conclusions executive takeaways tldr"),
    (
        "purpose",
        "purpose introduction background context motivation rationale history need origin preface foreword why about"
        " preamble problem",
    ),
    (
        "scope",
        "scope objective objectives goal goals aim aims requirement requirements definition definitions"
        " terminology assumptions principles",
    ),
    ("survey", "survey investigation baseline site fieldwork literature"),
    ("people", "consultation stakeholder stakeholders public engagement response responses feedback community"),
    ("surroundings", "environment environmental ecology wildlife climate noise traffic social"),
    (
        "design",
        "design architecture specification proposal approach option options alternatives concept structure model"
        " format grammar syntax interface details semantics",
    ),
    ("procurement", "procurement tender tenders contract contracts award supplier bid"),
    (
        "cost",
        "cost costs budget finance financial funding price pricing expenditure spending account economics revenue",
    ),
    ("schedule", "schedule timetable timeline milestone milestones calendar plan planning phase phases"),
    (
        "doing",
        "construction implementation building execution delivery installation development rollout migration"
        " deployment building works",
    ),
    (
        "rules",
        "compatibility security governance compliance roles responsibilities organisation organization regulation",
    ),
    (
        "risk",
        "risk risks hazard hazards uncertainty threat threats mitigation issue issues concerns limitations incident",
    ),
    (
        "results",
        "result results test tests testing commissioning performance evaluation findings outcome outcomes"
        " measurement monitoring acceptance verification benchmark impact",
    ),
    ("operation", "operation operations operating maintenance support service usage training handover"),
    (
        "lessons",
        "lesson lessons learned reflection discussion recommendation recommendations review decision decisions"
        " rejected",
    ),
    ("outlook", "open question questions next future outlook outstanding remaining further steps actions"),
)
PART_ORDER = {part: place for place, (part, _) in enumerate(_PARTS)}
_PART_OF = {stem(word): part for part, words in _PARTS for word in words.split()}
# Words of headings that say which kind of section it is, never what it is about.
_EMPTY_WORDS = frozenset(
    stem(word)
    for word in "report document paper section part chapter introduction general detail information note remark item"
    " main key brief list statement field value".split()
)
_NOISE = re.compile(
    r"^(?:(?:table of )?contents|(?:list of )?(?:attendees|participants|figures|tables|abbreviations|acronyms)|"
    r"attendance|present|apologies|distribution(?: list)?|document (?:control|history|information|properties|status)|"
    r"(?:change|revision|version|post)[ -](?:log|history)|copyright|licen[cs]e|legal notice|disclaimer|references|"
    r"acknowledge?ments?|bibliography|footnotes|endnotes|notes|index|glossary|further reading|see also|header|footer|"
    r"external links|sign[ -]?off|signatures?|approvals?|contact(?:s| details)?|metadata|imprint|field|value|scale|"
    r"appendi(?:x|ces)(?: \w)?|annex(?: \w)?|any other business|date of next meeting|item \d+|"
    r"minutes of (?:the )?(?:last|previous) meeting)$",
    re.IGNORECASE,
)


@lru_cache(maxsize=8192)
def clean(heading: str) -> str:
    """The wording without numbering, trailing marks and surrounding space; not yet in sentence case."""
    text = " ".join(heading.split())
    text = _LABELLED.sub("", text) or text
    stripped = _NUMBERING.sub("", text, count=1)
    text = stripped if len(stripped) > 2 else text
    return text.strip(" \t.:;,-\u2013\u2014*_#")[:200]


@lru_cache(maxsize=8192)
def subject(heading: str) -> str:
    """The cleaned wording without an identifier before it: "PEP 440 – Version numbers" is about version numbers."""
    text = clean(heading)
    return _IDENTIFIER.sub("", text).strip() or text


def caption(text: str) -> str:
    """A caption without its source's number."""
    return _TABLE_LABEL.sub("", " ".join(text.split()), count=1).strip(" .")[:200]


def is_noise(heading: str) -> bool:
    """Whether what stands under the heading is no content: contents lists, attendance, document control."""
    return bool(_NOISE.match(clean(heading)))


@lru_cache(maxsize=8192)
def part_of(heading: str) -> str:
    """The part of a story that the heading announces; empty where it names a subject.

    The head of its first telling phrase decides: "Surge, power and noise tests" are tests, "Lessons on cost" lessons.
    A summary of something is about that thing.
    """
    whole = clean(heading)
    head = _AFTER_HEAD.split(whole, maxsplit=1)[0] if _AFTER_HEAD.search(whole) else whole
    telling = [[_PART_OF[word] for word in stems(phrase) if word in _PART_OF] for phrase in _PHRASES.split(head)]
    heads = [found for phrase in telling for found in phrase[::-1] if found != "summary"]
    if heads:
        return heads[0]
    return "summary" if any(telling) else ""


@lru_cache(maxsize=8192)
def parts_of(heading: str) -> frozenset[str]:
    """All parts of a story that the words of the heading announce."""
    return frozenset(_PART_OF[word] for word in stems(clean(heading)) if word in _PART_OF)


@lru_cache(maxsize=8192)
def topic_stems(heading: str) -> frozenset[str]:
    """The stems that say what the heading is about."""
    return frozenset(stems(clean(heading))) - _EMPTY_WORDS


@lru_cache(maxsize=8192)
def is_generic(heading: str) -> bool:
    """Whether the heading only announces a part of a story and names no subject ("Background and scope")."""
    return all(word in _PART_OF or word in _EMPTY_WORDS for word in stems(clean(heading)))


@lru_cache(maxsize=8192)
def is_dated(heading: str) -> bool:
    """Whether the heading only says when or which: "Meeting of 20 June 2023", "Item 4"."""
    return not re.search(r"[^\W\d_]", _DATE.sub("", heading))


@dataclass(frozen=True)
class Names:
    """The words that running text starts large: alone ("Sallow"), or beside another such word ("Ferry Road")."""

    alone: frozenset[str] = frozenset()
    pairs: frozenset[tuple[str, str]] = frozenset()
    common: frozenset[str] = frozenset()
    """Words that running text writes small."""

    def holds(self, words: Sequence[str], at: int) -> bool:
        """Whether the word at that place of a heading is one, its neighbours considered."""
        before, own, after = (_bare(words[i]) if 0 <= i < len(words) else "" for i in (at - 1, at, at + 1))
        return own in self.alone or (before, own) in self.pairs or (own, after) in self.pairs


NO_NAMES = Names()


def known_names(texts: Iterable[str]) -> Names:
    """The names of running texts: words that start large more often than not where they do not begin a sentence."""
    alone: Counter[str] = Counter()
    small: Counter[str] = Counter()
    pairs: set[tuple[str, str]] = set()
    for text in texts:
        if " | " in text:  # the cells of a table all start large
            continue
        run: list[str] = []
        end = -1
        for match in _RUNNING.finditer(text):
            word, inside = match.group(2), match.group(1) is not None
            touching = end >= 0 and text[end : match.start(2)] == " "
            if run and not touching:
                _close(run, alone, pairs)
            end = match.end()
            if word[0].isupper() and (run or inside):
                run.append(word.lower())
                continue
            small[word.lower()] += 1
            _close(run, alone, pairs)
        _close(run, alone, pairs)
    beside: defaultdict[str, set[str]] = defaultdict(set)
    for one, other in pairs:
        beside[one].add(other)
        beside[other].add(one)
    # What stands beside many different names is a name by itself ("Python"), unlike the "Road" of "Ferry Road".
    names = frozenset(word for word, count in alone.items() if count > small[word])
    names |= {word for word, others in beside.items() if len(others) >= _MANY_NEIGHBOURS and word not in small}
    return Names(names, frozenset(pairs), frozenset(small) - names)


def _close(run: list[str], alone: Counter[str], pairs: set[tuple[str, str]]) -> None:
    if len(run) == 1:
        alone[run[0]] += 1
    if len(run) <= _LONGEST_NAME:  # more is the title of something
        pairs.update(pairwise(run))
    run.clear()


def sentence_case(text: str, names: Names = NO_NAMES) -> str:
    """First letter large, the rest as in running text; words with inner capitals and names keep their form.

    A title in capitals is lowered, and so is one that starts every word large.
    """
    words = text.split()
    if not words:
        return ""
    letters = [char for char in text if char.isalpha()]
    if not any(char.islower() for char in letters) and max(map(len, words)) > _LONGEST_ACRONYM:
        words = [word.title() if names.holds(words, at) else word.lower() for at, word in enumerate(words)]
    else:
        titled = _is_title_case(words)
        words = [
            _lowered(word) if at and (titled or _bare(word) in names.common) and not names.holds(words, at) else word
            for at, word in enumerate(words)
        ]
    if words[0].islower():
        words[0] = words[0][0].upper() + words[0][1:]
    return " ".join(words)


def _bare(word: str) -> str:
    return word.strip(_AROUND).lower()


def _is_title_case(words: list[str]) -> bool:
    content = [word for word in words[1:] if word.lower() not in STOP_WORDS and word[:1].isalpha()]
    return len(content) >= 1 and all(word[:1].isupper() for word in content)


def _lowered(word: str) -> str:
    bare = word.strip(_AROUND)
    return word.lower() if bare[1:].islower() or bare.lower() in STOP_WORDS else word


def names_document(heading: str) -> bool:
    """Whether the heading names a document rather than what it is about: "Site survey report"."""
    return bool(_DOCUMENT_END.search(clean(heading)))


def without_document(text: str) -> str:
    """The heading without the word for a document at its end, where something is left: "Site survey"."""
    return _DOCUMENT_END.sub("", text) or text


def shorten(text: str) -> str:
    """A heading of a length that a reader takes in at a glance."""
    text = _BRACKETED_END.sub("", text) if len(text) > 45 else text
    if len(text) <= _LONGEST:
        return text
    for mark in (": ", " \u2013 ", " - ", "; ", ", ", ". "):
        head = text.split(mark)[0]
        if 8 <= len(head) <= _LONGEST:
            return head
    return text[:_LONGEST].rsplit(" ", 1)[0].rstrip(" ,;:-")


def same_words(one: str, other: str) -> bool:
    """Whether two headings say the same but for numbering, case and word endings."""
    return [stem(w) for w in tokens(clean(one))] == [stem(w) for w in tokens(clean(other))]
