"""How English sentences lean on others, speak of their own document, or are no statements: patterns only."""

from __future__ import annotations

import re


def _any_of(phrases: str) -> str:
    """An alternative of comma separated phrases; any white space may part their words."""
    return "|".join(re.sub(r"\s+", r"\\s+", phrase.strip()) for phrase in phrases.split(",") if phrase.strip())


_OPENING = r"^[\"'\u201c\u2018(]*"
_SOME = _any_of("both, neither, either, all, most, some, many, several, one, another, others?, none, each")
_AUXILIARY = _any_of(
    "is, are, was, were, be, has, have, had, can, could, will, would, may, might, must, should, do, does, did, also"
)
_NUMBER = r"two|three|four|five|six|seven|eight|nine|ten|\d+"
_DOCUMENT = _any_of(
    "document, report, section, chapter, paper, article, summary, brief, assessment, specification, proposal, page,"
    "guide, note, memo, book, study, appendix, register, log, standard, (?-i:[A-Z][A-Z]+)"
)
_NUMBERED = _any_of(
    r"tables?, figures?, fig\., sections?, chapters?, appendix, appendices, annex, equations?, paragraphs?, clauses?,"
    "footnotes?, exhibits?, listings?, items?, pages?"
)
_SHOWN = _any_of(
    "shown, described, listed, given, noted, mentioned, discussed, defined, explained, outlined, stated, seen, see,"
    "set out, presented, summari[sz]ed, specified, detailed, as"
)
_PLACED = _any_of(
    "table, figure, lists?, steps, sections?, examples?, diagram, code, snippet, text, paragraphs?, recommendations,"
    "chart, map, photo, rules, items"
)
_SAID = _any_of("reported, said, noted, proposed, presented, confirmed, explained, described, stated, added, commented")
_PERSON = r"[A-Z][\w'-]+"

PRONOUN = re.compile(
    rf"{_OPENING}(?:{_SOME}|it|its|they|their|them|he|she|his|her|these|those|this|that|such|here|"
    rf"the\s+(?:same|former|latter|others?|rest|above|two|three|four|five)|"
    r"there(?!\s+(?:is|are|was|were|has|have|will|can|may)\b))\b(?!\s+of\s+the\b)",
    re.IGNORECASE,
)
QUANTITY = re.compile(rf"{_OPENING}(?:{_SOME})\b", re.IGNORECASE)
# "Some", "many", "both" and the like lean only where no noun follows them.
OPEN_QUANTITY = re.compile(
    rf"{_OPENING}(?:{_SOME})\s+(?:(?:{_AUXILIARY}|of\s+(?:them|these|those|it|which))\b|of\s+the\s+(?:{_NUMBER})\b)",
    re.IGNORECASE,
)
_CONNECTIVES = _any_of(
    """
    however, therefore, thus, hence, moreover, furthermore, also, additionally, in addition, instead, otherwise,
    nevertheless, nonetheless, meanwhile, similarly, likewise, consequently, as a result, as such, for example,
    for instance, for this, in contrast, by contrast, on the other hand, on the contrary, then, still, yet, but, and,
    or, so, nor, because of this, that is, in particular, in other words, in short, specifically, indeed, again,
    finally, lastly, first, firstly, second, secondly, third, thirdly, next, rather, conversely, after that,
    before that, at that, at this, in this, in that, in these, in those, in such, with this, with these, under this,
    under these, to this, to that, of these, of those, for these, for those, by this, by that, from this, from these,
    on this, on these, if so, if not, as above, accordingly, besides, alternatively, equally, even so, overall,
    to do so, to do this, only then, afterwards, later, earlier, subsequently, eventually, note that, and so on,
    in both cases, in either case, in any case, in all cases, in each case, as mentioned, as noted, as discussed
    """
)
CONNECTIVE = re.compile(rf"{_OPENING}(?:{_CONNECTIVES}|e\.g\.|i\.e\.)(?!\w)", re.IGNORECASE)
# A definite noun that takes up what the sentence before told, with nothing after it that says of what.
_ECHOES = _any_of(
    "difference, change, date, results?, decision, increase, decrease, reduction, shortfall, delay, gap, failure,"
    "problem, reason, idea, answer, approach, effect, consequence, loss, limit, figures?, total, rest, remainder,"
    "place, steps?, conditions?, exception, latter, supporters?, opponents?, additional, counts?"
)
ECHO = re.compile(
    rf"^the\s+(?:(?:new|next|last|first|second|third|whole|resulting|remaining|other|same|highest|lowest)\s+)?"
    rf"(?:{_ECHOES})\b(?!\s+(?:of|in|to|on|from|for|at|between)\b)",
    re.IGNORECASE,
)
LEANING_WORDS = re.compile(
    r"\b(?:therefore|thus|hence|however|nevertheless|consequently|likewise|instead)\b|"
    r"\b(?:this|these|those|such)\s+\w+|\b(?:as\s+well|too|either)[.]$",
    re.IGNORECASE,
)
ELSEWHERE = re.compile(
    rf"\b(?:{_NUMBERED})\s+(?:no\.\s*)?(?:\d+(?:\.\d+)*|[IVX]{{1,4}}\b)|\b(?:appendix|annex|exhibit)\s+[A-Z0-9]\b|"
    rf"\b(?:{_SHOWN})\s+(?:in\s+more\s+detail\s+)?(?:above|below|earlier|later|previously|elsewhere|herein|here)\b|"
    rf"\b(?:{_PLACED})\s+(?:shown\s+|given\s+)?(?:above|below|overleaf)\b|"
    r"\b(?:the|its|their)\s+(?:\w+\s+)?(?:above|below)\b[.,;]|"
    r"\b(?:above|below)(?:-mentioned|[.]$)|\baforementioned\b|\bas\s+follows\b|\bthe\s+following\b|\bibid\b|"
    rf"\bthis\s+(?:{_DOCUMENT})\b|\b(?:in|of|by|from|to|with)\s+this\s+issue\b",
    re.IGNORECASE,
)
ANNOUNCES = re.compile(
    r"\b(?:following|below|as\s+follows|includes?|including|are|is|were|contains?|example)\s*:\s*$", re.IGNORECASE
)
LABEL = re.compile(r"^[A-Z][\w/&() -]{0,28}:\s*\S")
_CONTROLS = _any_of(
    r"issued, published, prepared, submitted, written, dated, last updated, last modified, last revised, version,"
    r"revised, reference, document reference, copyright, all rights, author, present, apologies, attendees,"
    r"in attendance, minutes, extracts? from, page \d, confidential, draft, issue \d, revision \d, edition \d"
)
CONTROL = re.compile(rf"^(?:(?:{_CONTROLS})\b|\u00a9)", re.IGNORECASE)
MAIL = re.compile(r"^(?:from|to|cc|bcc|subject|date|sent|re|fwd?)\s*:", re.IGNORECASE)
SPEECH = re.compile(
    r"^(?:(?i:a|an|another|one|several|some|two|three)\s+(?:\w+\s+)?(?:members?|councillors?|attendees?|participants?|"
    r"residents?|speakers?|delegates?)\s+(?:asked|said|wanted|wondered|replied|commented)|"
    rf"{_PERSON}(?:\s+{_PERSON}){{0,3}}\s+(?:asked|replied|reminded|wondered|thanked|seconded|moved|welcomed)\b)"
)
REPORTED = re.compile(
    rf"^(?:(?:{_PERSON}\s+){{1,4}}|The\s+(?:\w+\s+){{1,3}})(?:{_SAID}|observed|recommended|lists|judged)\b"
)
BY_NAME = re.compile(rf"^(?:{_PERSON}\s+){{2,4}}(?:{_SAID}|observed|told|announced)\b")
ITSELF = re.compile(rf"^(?:the|our)\s+(?:\w+\s+)?(?:{_DOCUMENT}|minutes|authors?)\s+\w", re.IGNORECASE)
FIRST_PERSON = re.compile(r"\b(?:I|we|We|our|Our|us|my|My|you|You|your|Your|let's|Let's)\b")
MODAL = re.compile(
    r"\b(?:will|would|shall|may|might|could|should|(?:is|are)\s+planned|(?:is|are|was)\s+expected)\b", re.IGNORECASE
)
BIBLIOGRAPHIC = re.compile(r"\[\d{1,3}\]|\[\^|\bet\s+al\.|\bdoi\b|https?://|www\.|\S+@\S+\.\w")
FINITE = re.compile(
    r"\b(?:is|are|was|were|be|been|am|has|have|had|do|does|did|can|could|may|might|must|shall|should|will|would)\b|"
    r"\bcannot\b|\b\w{3,}(?:ed|es|en|s)\b|n't\b",
    re.IGNORECASE,
)
