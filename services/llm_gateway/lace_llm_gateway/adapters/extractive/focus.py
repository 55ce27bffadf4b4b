"""What the title and instructions ask for beyond what all sources are about, and which themes answer it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from lace_core.contracts import SourceOutline
from lace_llm_gateway.adapters.extractive import headings
from lace_llm_gateway.adapters.extractive.themes import Theme, theme_terms
from lace_llm_gateway.adapters.extractive.words import stems

_ONLY = re.compile(
    r"\b(?:only|solely|exclusively|just|nothing\s+but|limit(?:ed)?\s+(?:it\s+|this\s+)?to|restrict(?:ed)?\s+to|"
    r"focus(?:ed|ing)?\s+on|concentrate\s+on|about)\b",
    re.IGNORECASE,
)
_WITHOUT = re.compile(
    r"\b(?:leave\s+out|leaving\s+out|omit(?:ting)?|exclud(?:e|ing)|without|ignor(?:e|ing)|skip(?:ping)?|not\s+about|"
    r"except(?:\s+for)?)\s+"
    r"(?P<what>[^.;\n]+)",
    re.IGNORECASE,
)
_ASKING = frozenset(
    stems(
        """
        write document report summary summarise summarize describe explain cover covering include section text reader
        readers audience please sentence paragraph word words short long brief clear plain style tone concise detail
        detailed focus concentrate overview account give tell based source sources everything
        """
    )
)


class Focus:
    """The wish behind title and instructions, measured against the vocabulary of the sources."""

    def __init__(self, title: str, instructions: str, sources: Sequence[SourceOutline]) -> None:
        left_out = " ".join(match["what"] for match in _WITHOUT.finditer(instructions))
        self._unwanted = frozenset(stems(left_out)) - _ASKING
        wanted_text = _WITHOUT.sub(" ", instructions)
        # What most sources speak of is the subject of all: in a title it narrows nothing, in instructions it is meant.
        named = frozenset(stems(title)) - _ASKING
        vocabulary = [_vocabulary(source) for source in sources]
        common = {term for term in named if sum(term in words for words in vocabulary) * 2 > len(sources)}
        self._asked = (frozenset(stems(wanted_text)) - _ASKING - common) | (named - common)
        self._strict = bool(_ONLY.search(wanted_text)) and bool(self._asked)

    def narrow(self, themes: list[Theme]) -> list[Theme]:
        """The themes without those that were asked to be left out, and only the matching ones where that was asked.

        Elsewhere what matches the title counts double, so that it gets more room.
        """
        kept = [theme for theme in themes if not self._is_unwanted(theme)] or themes
        asked = [theme for theme in kept if self._answers(theme)]
        if self._strict:
            return asked or kept
        return [replace(theme, words=2 * theme.words) if theme in asked else theme for theme in kept]

    def admits_sources(self, group: Sequence[SourceOutline]) -> bool:
        """Whether a group of sources has to do with what is asked; all do where nothing narrows it."""
        if not self._strict:
            return True
        return any(self._asked & _vocabulary(source) for source in group)

    def _is_unwanted(self, theme: Theme) -> bool:
        topic = headings.topic_stems(theme.heading)
        return bool(topic) and bool(self._unwanted) and len(topic & self._unwanted) * 2 >= len(topic)

    def _answers(self, theme: Theme) -> bool:
        own = theme_terms(theme)
        score = sum(own.get(term, 0.0) for term in sorted(self._asked))
        return score >= 1.0 or self._part_matches(theme)

    def _part_matches(self, theme: Theme) -> bool:
        asked = {headings.part_of(term) for term in self._asked} - {""}
        return headings.part_of(theme.heading) in asked


def _vocabulary(source: SourceOutline) -> set[str]:
    words = set(stems(source.title))
    for section in source.sections:
        words.update(stems(section.lead))
        for heading in section.heading_path:
            words.update(headings.topic_stems(heading))
    return words
