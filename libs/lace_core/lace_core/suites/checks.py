"""The rules that a suite can ask a document to obey: one type each, from which the language's JSON Schema is made."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Id = Annotated[str, Meta(pattern=r"^([a-z0-9][a-z0-9_.-]{0,63})?$", description="Names the check in results.")]
Text = Annotated[str, Meta(min_length=1, max_length=1000)]
Pattern = Annotated[str, Meta(min_length=1, max_length=500, description="A regular expression as RE2 reads it.")]
Texts = Annotated[tuple[Text, ...], Meta(max_length=100)]
SomeTexts = Annotated[tuple[Text, ...], Meta(min_length=1, max_length=100)]
Patterns = Annotated[tuple[Pattern, ...], Meta(max_length=50)]
Count = Annotated[int, Meta(ge=0, le=10_000_000)]
Positive = Annotated[int, Meta(ge=1, le=10_000)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Sections = Annotated[
    tuple[Text, ...],
    Meta(max_length=100, description="Titles of sections, or paths 'Above > Below'; all below them is meant, too."),
]
Scope = Annotated[
    Literal["document", "section"], Meta(description="Whether it holds of the whole, or of each section by itself.")
]


class Check(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="rule"):
    """Base of all checks. `id` names it in results (the rule and a number where empty); `why` is told with failures."""

    id: Id = ""
    why: Annotated[str, Meta(max_length=1000)] = ""


class Answers(Check, frozen=True, tag="answers"):
    """A competency question: supported sentences must answer it, out of at least so many sources.

    `same` holds groups of words that mean the same here, `mentions` words that an answer must hold. `cite_sources`
    (ids, file names or series) and `cite_labels` say which sources count.
    """

    question: Text
    expects: Literal["auto", "any", "name", "date", "number", "place", "reason"] = "auto"
    sections: Sections = ()
    min_sources: Positive = 1
    cite_sources: Texts = ()
    cite_labels: Texts = ()
    mentions: Texts = ()
    same: Annotated[tuple[SomeTexts, ...], Meta(max_length=50)] = ()


class OwnQuestions(Check, frozen=True, tag="own_questions"):
    """Every question that the document's own constraints ask of a section (competency_questions, which a policy can
    set) is answered in it or below.
    """

    min_sources: Positive = 1
    same: Annotated[tuple[SomeTexts, ...], Meta(max_length=50)] = ()


class SectionsRequired(Check, frozen=True, tag="sections_required"):
    """Sections that must be there."""

    titles: SomeTexts


class SectionsOrdered(Check, frozen=True, tag="sections_ordered"):
    """Sections that, as far as they are there, must stand in this order."""

    titles: Annotated[tuple[Text, ...], Meta(min_length=2, max_length=100)]


class MaxDepth(Check, frozen=True, tag="max_depth"):
    """How deep sections may be nested; the sections right below the title are of depth 1."""

    at_most: Positive


class WordCount(Check, frozen=True, tag="word_count"):
    """How many words there may be; headings do not count."""

    at_least: Count = 0
    at_most: Count = 10_000_000
    scope: Scope = "document"
    sections: Sections = ()


class NoEmptySections(Check, frozen=True, tag="no_empty_sections"):
    """No section without text in itself or below."""

    sections: Sections = ()


class SectionsCited(Check, frozen=True, tag="sections_cited"):
    """Each section that has text of its own cites at least so many pieces of evidence."""

    at_least: Positive = 1
    sections: Sections = ()


class TablesCaptioned(Check, frozen=True, tag="tables_captioned"):
    """Each table has a caption."""

    sections: Sections = ()


class SentenceLength(Check, frozen=True, tag="sentence_length"):
    """How many words a sentence may have."""

    at_most: Positive
    sections: Sections = ()


class PassiveVoice(Check, frozen=True, tag="passive_voice"):
    """How many of a hundred sentences may hold a form of "be" with a participle behind it (English alone)."""

    at_most_percent: Percent
    sections: Sections = ()


class ForbiddenWords(Check, frozen=True, tag="forbidden_words"):
    """Words and patterns that no sentence and no heading may hold; case makes no difference."""

    words: Texts = ()
    patterns: Patterns = ()
    sections: Sections = ()


class Term(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A term of the house, and the words that it stands in place of."""

    term: Text
    avoid: SomeTexts


class Glossary(Check, frozen=True, tag="glossary"):
    """Words that the glossary says to avoid do not occur: that of these terms, and that of the document's own rules."""

    terms: Annotated[tuple[Term, ...], Meta(max_length=500)] = ()
    sections: Sections = ()


class HeadingCase(Check, frozen=True, tag="heading_case"):
    """How headings are written: "Like this one" (sentence) or "Like This One" (title)."""

    case: Literal["sentence", "title"]
    sections: Sections = ()


class ForbiddenClaim(Check, frozen=True, tag="forbidden_claim"):
    """What the document may not state: a claim in a sentence (what denies it is no statement of it), or a pattern."""

    claim: Annotated[str, Meta(max_length=1000)] = ""
    pattern: Annotated[str, Meta(max_length=500)] = ""
    sections: Sections = ()


class NumberConsistency(Check, frozen=True, tag="number_consistency"):
    """What is named alike has one value everywhere, in sentences and tables, whatever unit it is written in."""

    tolerance_percent: Percent = 0
    sections: Sections = ()


class Readability(Check, frozen=True, tag="readability"):
    """How easily the prose reads, by a formula."""

    formula: Literal["flesch_reading_ease", "flesch_kincaid_grade", "lix"]
    at_least: Annotated[int, Meta(ge=-1000, le=1000)] = -1000
    at_most: Annotated[int, Meta(ge=-1000, le=1000)] = 1000
    sections: Sections = ()


class StaleCitations(Check, frozen=True, tag="stale_citations"):
    """No citation of a source that has a newer version.

    `quote_gone` complains only where the newer version no longer holds the words that are cited.
    """

    when: Literal["newer_version", "quote_gone"] = "newer_version"


class MinSources(Check, frozen=True, tag="min_sources"):
    """How many sources the document, or each section that cites any, must rest on."""

    at_least: Positive
    scope: Scope = "document"
    sections: Sections = ()


class QuoteShare(Check, frozen=True, tag="quote_share"):
    """How many of a hundred words may stand in quotations."""

    at_most_percent: Percent
    sections: Sections = ()


class LlmJudge(Check, frozen=True, tag="llm_judge"):
    """What a model is to look for; skipped where no model can judge. It can only fail, and lifts no other failure."""

    criterion: Text
    sections: Sections = ()


AnyCheck = (
    Answers
    | OwnQuestions
    | SectionsRequired
    | SectionsOrdered
    | MaxDepth
    | WordCount
    | NoEmptySections
    | SectionsCited
    | TablesCaptioned
    | SentenceLength
    | PassiveVoice
    | ForbiddenWords
    | Glossary
    | HeadingCase
    | ForbiddenClaim
    | NumberConsistency
    | Readability
    | StaleCitations
    | MinSources
    | QuoteShare
    | LlmJudge
)

RULES: dict[str, type[Check]] = {str(kind.__struct_config__.tag): kind for kind in AnyCheck.__args__}
"""Every rule by its name in a suite."""
