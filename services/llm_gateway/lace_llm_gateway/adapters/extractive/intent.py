"""Says what a document of a title is to do, from its title, its instructions and what the sources speak of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from lace_core.contracts import Intent, IntentInput, SourceOutline
from lace_llm_gateway.adapters.extractive import headings
from lace_llm_gateway.adapters.extractive.themes import Theme, themes_of
from lace_llm_gateway.adapters.extractive.words import STOP_WORDS, stems

_AUDIENCE = re.compile(
    r"\b(?:for|aimed\s+at|addressed\s+to|meant\s+for)\s+"
    r"(?P<who>(?!example|instance|this|that|each|it|its|them|now|use|which|whom)(?:[a-z][\w-]*)(?:\s+(?!who|that|which|with|on|about)[\w-]+){0,4})"
    r"(?=\s*(?:[.,;:!?)]|$)|\s+(?:who|that|which|with|on|about)\b)",
    re.IGNORECASE,
)
_QUESTIONS, _TERMS = 8, 15
_NAME = re.compile(r"(?<=[^\W.!?:] )((?:[A-Z][\w'-]+)(?:\s+(?:of\s+)?[A-Z][\w'-]+){0,3})")


def understand(asked: IntentInput) -> Intent:
    """Purpose, audience, questions and key terms."""
    themes = [theme for number, source in enumerate(asked.sources) for theme in themes_of(number, source)]
    names = headings.known_names([section.lead for source in asked.sources for section in source.sections])
    subjects = _subjects(themes, names)
    return Intent(
        purpose=_purpose(asked, len(asked.sources)),
        audience=_audience(asked.instructions),
        questions=tuple(_question(subject, asked.language) for subject in subjects[:_QUESTIONS]),
        key_terms=tuple(_key_terms(asked, asked.sources, subjects)),
    )


def _purpose(asked: IntentInput, count: int) -> str:
    title = asked.title.strip() or "The subject"
    wish = " ".join(_AUDIENCE.sub("", asked.instructions).split()).strip(" .,;:")
    if not asked.language.lower().startswith("en"):
        return f"{title}. {wish}".strip()
    origin = "one source" if count == 1 else f"{count} sources"
    purpose = f"To tell a reader what {origin} say about this subject: {title}."
    return f"{purpose} In particular: {wish}." if wish else purpose


def _audience(instructions: str) -> str:
    found = _AUDIENCE.search(instructions)
    return " ".join(found["who"].split()) if found else "Readers who want the substance without reading the sources"


def _subjects(themes: Sequence[Theme], names: headings.Names) -> list[str]:
    """What the largest themes are called, each once, in reading order."""
    largest = sorted(themes, key=lambda t: (-t.words - 60 * t.tables, t.source, t.place))
    kept: list[Theme] = []
    for theme in largest:
        if headings.part_of(theme.heading) == "summary" or not headings.topic_stems(theme.heading):
            continue
        if not any(_about_the_same(theme.heading, other.heading) for other in kept):
            kept.append(theme)
    kept = kept[:_QUESTIONS]
    kept.sort(key=lambda t: (headings.PART_ORDER.get(headings.part_of(t.heading), 7), t.source, t.place))
    return [headings.sentence_case(headings.shorten(headings.subject(theme.heading)), names) for theme in kept]


def _about_the_same(one: str, other: str) -> bool:
    mine, theirs = headings.topic_stems(one), headings.topic_stems(other)
    return len(mine & theirs) * 2 >= min(len(mine), len(theirs))


def _question(subject: str, language: str) -> str:
    if not language.lower().startswith("en"):
        return f"{subject}?"
    first = subject.split(maxsplit=1)[0]
    running = subject[:1].lower() + subject[1:] if first[1:].islower() or len(first) == 1 else subject
    return f"What do the sources say about {running}?"


def _key_terms(asked: IntentInput, sources: Sequence[SourceOutline], subjects: Sequence[str]) -> list[str]:
    """Names first, then the words that headings and first sentences use most."""
    names: Counter[str] = Counter()
    words: Counter[str] = Counter()
    surface: dict[str, str] = {}
    for source in sources:
        for section in source.sections:
            names.update(match.group(1) for match in _NAME.finditer(section.lead))
            for text in (section.lead, *section.heading_path):
                for word in re.findall(r"[^\W\d_][\w-]{3,}", text):
                    if word.lower() not in STOP_WORDS:
                        for term in stems(word)[:1]:
                            words[term] += 1
                            surface.setdefault(term, word.lower())
    wanted = [surface.get(term, term) for term in dict.fromkeys(stems(f"{asked.title} {asked.instructions}"))]
    found = [name for name, count in names.most_common(8) if count > 1]
    common = [surface[term] for term, _ in words.most_common(_TERMS)]
    unique: dict[str, str] = {}
    for term in (*found, *wanted[:5], *common, *subjects):
        unique.setdefault(term.casefold(), term)
    return list(unique.values())[:_TERMS]
