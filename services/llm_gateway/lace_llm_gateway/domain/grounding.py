"""Whether an answer rests on a search that found something, judged by what the provider itself shows; fail closed.

OpenAI (Responses API): at least one `web_search` call with a result set that is not empty, and the citations that came
with the answer. Gemini: a search whose GoogleSearch results are not empty in the first step, and the answer's final
`groundingMetadata` (cited sources). Whatever is not shown counts as not there; a provider without a detector is never
grounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lace_core.canonical import sha256_hex
from lace_core.errors import Detail, LaceError, Reason
from lace_llm_gateway.domain.exchange import Citation, GroundingEvidence, Search
from lace_llm_gateway.domain.stored_templates import GroundingMode


class WhyNotGrounded(StrEnum):
    """Why an answer does not count as grounded."""

    NO_DETECTOR = "no_detector"  # the provider has no search that could be checked
    NO_SEARCH = "no_search"  # the model did not search
    NO_RESULTS = "no_search_results"  # it searched and nothing was found
    NO_CITATIONS = "no_citations"  # it found something and the answer names no source
    ATTESTATION_FAILED = "attestation_failed"  # the second of two steps is not shown to rest on the first


@dataclass(frozen=True)
class Grounding:
    """The judgement; `why_not` is None exactly where the answer is grounded."""

    why_not: WhyNotGrounded | None = None

    @property
    def grounded(self) -> bool:
        """Whether the answer counts as grounded."""
        return self.why_not is None


def detect_openai(evidence: GroundingEvidence | None) -> Grounding:
    """At least one web_search with results, and citations in the answer."""
    return _detect(evidence, _of_openai)


def detect_gemini(evidence: GroundingEvidence | None) -> Grounding:
    """A GoogleSearch with results, and cited sources in the answer."""
    return _detect(evidence, _of_gemini)


def detect(provider: str, evidence: GroundingEvidence | None) -> Grounding:
    """The judgement of the provider's own detector."""
    detector = _DETECTORS.get(provider)
    return detector(evidence) if detector else Grounding(WhyNotGrounded.NO_DETECTOR)


def enforce(mode: GroundingMode, provider: str, grounding: Grounding) -> None:
    """Raises LaceError GROUNDING_REQUIRED where the mode asks for evidence that is not there."""
    if mode is not GroundingMode.REQUIRED or grounding.why_not is None:
        return
    raise LaceError(
        Reason.GROUNDING_REQUIRED,
        f"The answer of {provider} had to be grounded and was not: {grounding.why_not.value}.",
        details=[Detail("/grounding", grounding.why_not.value)],
    )


def evidence_json(evidence: GroundingEvidence) -> dict[str, Any]:
    """The evidence as JSON values, the way the ledger keeps it; no database takes the character 0."""
    return {
        "searches": [
            {"tool": _plain(each.tool), "queries": _storable(each.queries), "results": _storable(each.results)}
            for each in evidence.searches
        ],
        "citations": [
            {"url": _plain(each.url), "title": _plain(each.title), "start": each.start, "end": each.end}
            for each in evidence.citations
        ],
    }


def _storable(texts: tuple[str, ...]) -> list[str]:
    return [_plain(text) for text in texts]


def _plain(text: str) -> str:
    return text.replace("\0", "\ufffd")


def evidence_of(stored: Mapping[str, Any]) -> GroundingEvidence:
    """The evidence out of its JSON, the inverse of `evidence_json`."""
    searches = (Search(each["tool"], tuple(each["queries"]), tuple(each["results"])) for each in stored["searches"])
    return GroundingEvidence(tuple(searches), tuple(Citation(**each) for each in stored["citations"]))


@dataclass(frozen=True)
class Attestation:
    """What shows that strict JSON rests on a grounded text: the second step called no tool and was given that text."""

    step2_tools_invoked: bool
    step2_source_ref: str


def attest(step1_text: str, step2_source: str, step2_evidence: GroundingEvidence | None) -> Attestation:
    """The attestation of the second step, which was given `step2_source`.

    Raises LaceError GROUNDING_REQUIRED where it called a tool, or was not given exactly the first step's text, or there
    was no text: its answer could then come from anywhere.
    """
    if not step1_text.strip() or step2_source != step1_text:
        raise _unattested("the second step was not given the first one's text")
    if step2_evidence is not None and (step2_evidence.searches or step2_evidence.citations):
        raise _unattested("the second step called a tool, which it may not")
    return Attestation(step2_tools_invoked=False, step2_source_ref=sha256_hex(step2_source.encode()))


def _unattested(what: str) -> LaceError:
    code = WhyNotGrounded.ATTESTATION_FAILED.value
    return LaceError(
        Reason.GROUNDING_REQUIRED,
        f"The answer had to be grounded and was not: {code} ({what}).",
        details=[Detail("/grounding", code)],
    )


def _detect(evidence: GroundingEvidence | None, is_own: Callable[[str], bool]) -> Grounding:
    searches = [search for search in evidence.searches if is_own(search.tool)] if evidence else []
    if evidence is None or not searches:
        return Grounding(WhyNotGrounded.NO_SEARCH)
    if not any(result.strip() for search in searches for result in search.results):
        return Grounding(WhyNotGrounded.NO_RESULTS)
    if not any(citation.url.strip() for citation in evidence.citations):
        return Grounding(WhyNotGrounded.NO_CITATIONS)
    return Grounding()


def _of_openai(tool: str) -> bool:
    return tool == "web_search" or tool.startswith("web_search_")


def _of_gemini(tool: str) -> bool:
    return tool.casefold() in ("google_search", "googlesearch", "google_search_retrieval")


_DETECTORS: Mapping[str, Callable[[GroundingEvidence | None], Grounding]] = {
    "openai": detect_openai,
    "gemini": detect_gemini,
}
