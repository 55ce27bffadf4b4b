"""Whether a document answers a question, decided by words alone: it says which sentence does, or why none does.

A sentence answers where it and the headings over it hold every word that the question is about, it says something new
of the kind that is asked for, it neither denies nor hedges what the question does not, and its evidence supports it.
Where that is not plain nothing passes: the nearest sentence is told, and what is wanting in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from lace_core.suites import checks
from lace_core.suites.citations import counted_sources, places_of
from lace_core.suites.expecting import is_told
from lace_core.suites.facts import Facts
from lace_core.suites.passages import Passage, Reading, Section
from lace_core.suites.patterns import word_pattern
from lace_core.suites.questions import APPROXIMATE, Question, content_root, group_of, read_question, tokens_of
from lace_core.suites.results import Finding
from lace_core.verification import lexicon
from lace_core.verification.grounding import Verdict, verify
from lace_core.verification.tokens import Token

_IGNORANCE = frozenset("unknown unclear unspecified undisclosed undecided undetermined unavailable".split())
_MOST_ANSWERS = 20
_MARGIN = 2  # words around what a question is about in which a doubt is a doubt about that


@dataclass(frozen=True)
class _Weighed:
    """A passage held against a question: how many of its words it has, and what speaks against it, if anything."""

    passage: Passage
    share: float
    objection: str


def answered(check: checks.Answers, reading: Reading, facts: Facts) -> tuple[list[Passage], list[Finding]]:
    """The passages that answer, and what is wrong: none does, or they rest on too little."""
    sections, missing = reading.chosen(check.sections)
    if missing:
        return [], list(missing)
    return _answered(check, sections, reading, facts)


def own_questions(check: checks.OwnQuestions, reading: Reading, facts: Facts) -> tuple[list[Passage], list[Finding]]:
    """The same of the questions that sections themselves are to answer, in themselves or below."""
    answers: list[Passage] = []
    findings: list[Finding] = []
    for section in reading.sections:
        below = [s for s in reading.sections if section.node.node_id in (s.node.node_id, *s.ancestors)]
        for text in section.node.constraints.competency_questions or ():
            asked = checks.Answers(question=text, min_sources=check.min_sources, same=check.same)
            found, wrong = _answered(asked, below, reading, facts)
            answers += found
            at = (section.place,)
            findings += [replace(each, message=f"{text} {each.message}", places=at + each.places) for each in wrong]
    return answers[:_MOST_ANSWERS], findings


def _answered(
    check: checks.Answers, sections: Sequence[Section], reading: Reading, facts: Facts
) -> tuple[list[Passage], list[Finding]]:
    question = read_question(check.question, check.expects, group_of(check.same))
    if not question.roots:
        message = "The question names nothing that an answer could be looked up by; name what it is about."
        return [], [Finding(code="QUESTION_UNCLEAR", message=message)]
    weighed = list(_weigh(check, question, sections, facts))
    answers = [each.passage for each in weighed if not each.objection]
    if not answers:
        return [], [_unanswered(check, question, weighed, reading, facts)]
    counted = counted_sources(answers, check.cite_sources, check.cite_labels, reading, facts)
    if len(counted) >= check.min_sources:
        return answers[:_MOST_ANSWERS], []
    kind = " of those that count" if check.cite_sources or check.cite_labels else ""
    message = f"It is answered out of {len(counted)} sources{kind}, at least {check.min_sources} are wanted."
    return answers[:_MOST_ANSWERS], [Finding(code="ANSWER_SOURCES_FEW", message=message, places=places_of(answers[:5]))]


def _weigh(check: checks.Answers, question: Question, sections: Sequence[Section], facts: Facts) -> Iterator[_Weighed]:
    same = group_of(check.same)
    wanted = frozenset(question.roots)
    for section in sections:
        # The document's own title says what all of it is about: of its words names alone say anything of a sentence.
        above = _roots(tokens_of(" . ".join(section.path[1:])), same)
        over = above | (_roots(tokens_of(section.path[0]), same) & question.names)
        for passage in section.passages:
            if passage.kind in ("code", "equation", "figure"):
                continue
            own = _roots(passage.tokens, same)
            share = len(wanted & own) / len(wanted)
            lacking = wanted - own - over
            if share:
                objection = _lacking(question, lacking, share) or _objection(check, question, passage, same, facts)
                yield _Weighed(passage, share, objection)


def _roots(tokens: Sequence[Token], same: Mapping[str, str]) -> frozenset[str]:
    return frozenset(content_root(token.key, same) for token in tokens)


def _lacking(question: Question, lacking: frozenset[str], share: float) -> str:
    if lacking:
        words = [word for root, word in zip(question.roots, question.words, strict=True) if root in lacking]
        return f"it does not speak of: {', '.join(words)}"
    return "only its heading speaks of it" if share * 2 < 1 else ""


def _objection(
    check: checks.Answers, question: Question, passage: Passage, same: Mapping[str, str], facts: Facts
) -> str:
    """Why a passage that speaks of all that is asked is no answer; empty where it is one."""
    tokens = passage.tokens
    keys = frozenset(token.key for token in tokens)
    if not question.figures <= keys:
        return f"it does not hold {', '.join(sorted(question.figures - keys))}"
    for wanted in check.mentions:
        if not word_pattern(wanted).search(passage.stated):
            return f"it does not mention {wanted}"
    roots = [content_root(token.key, same) for token in tokens]
    if not is_told(question, passage, roots):
        what = "nothing new" if question.kind == "any" else f"no {question.kind} where it is asked for"
        return f"it holds {what}"
    return _reservation(question, passage, tokens, roots) or _unsupported(passage, facts)


def _reservation(question: Question, passage: Passage, tokens: Sequence[Token], roots: Sequence[str]) -> str:
    """A doubt that the passage itself has of what is asked."""
    about = [at for at, root in enumerate(roots) if root in question.roots]
    first, last = (0, len(tokens)) if passage.kind == "table" else (max(0, about[0] - _MARGIN), about[-1] + _MARGIN)
    keys = frozenset(token.key for token in tokens[first : last + 1])
    if not keys.isdisjoint(_IGNORANCE):
        return "it says that this is not known"
    if not question.denies and not keys.isdisjoint(lexicon.NEGATIONS):
        return "it denies something"
    if not question.hedges and not keys.isdisjoint(lexicon.HEDGES - APPROXIMATE):
        return "it speaks of what may be or is planned"
    return ""


def _unsupported(passage: Passage, facts: Facts) -> str:
    if not passage.evidence:
        return "it cites no evidence"
    if passage.part_id in facts.accepted:
        return ""
    verdict = verify(passage.text, [evidence.quote for evidence in passage.evidence]).verdict
    return "" if verdict is Verdict.SUPPORTED else f"its evidence does not support it ({verdict.word})"


def _unanswered(
    check: checks.Answers, question: Question, weighed: Sequence[_Weighed], reading: Reading, facts: Facts
) -> Finding:
    if check.sections:
        beyond = [e.passage for e in _weigh(check, question, reading.sections, facts) if not e.objection]
        if beyond:
            message = f"It is not answered in {', '.join(check.sections)}, but elsewhere; move or repeat it."
            return Finding(code="ANSWER_ELSEWHERE", message=message, places=places_of(beyond[:5]))
    nearest = max(weighed, key=lambda each: each.share, default=None)
    if nearest is None or nearest.share * 2 < 1:
        message = f"No sentence speaks of this: {', '.join(question.words)}. Write one with its evidence."
        return Finding(code="QUESTION_UNANSWERED", message=message)
    message = f"No sentence answers it for certain; the nearest does not, as {nearest.objection}."
    return Finding(code="QUESTION_UNCLEAR", message=message, places=(nearest.passage.place,))
