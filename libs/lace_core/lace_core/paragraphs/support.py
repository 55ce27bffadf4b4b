"""From an answer to what stands of it: what breaks the specification is refused whole, the rest judged by sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from lace_core.canonical import canonical_text, sha256_hex
from lace_core.contracts import JudgedSentence, JudgeInput, WrittenSentence
from lace_core.errors import Detail
from lace_core.ids import derive
from lace_core.ir import Constraints, Evidence
from lace_core.judging import Judging
from lace_core.paragraphs.facts import AllowedFact
from lace_core.paragraphs.spec import ParagraphSpec
from lace_core.policies.keeping_out import ruled_out
from lace_core.verification.grounding import verify
from lace_core.verification.verdicts import Acceptance, LayerVerdict, Verdict
from lace_core.writing import SentenceVerdict

LONGEST_SENTENCE = 2000
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class FactLink(Struct, frozen=True, kw_only=True):
    """A fact that a sentence cites, with the words that the sentence was held against."""

    fact_id: str
    evidence: Evidence


class SupportedSentence(Struct, frozen=True, kw_only=True):
    """A sentence with its verdict and what each layer found; `links` is never empty.

    `acceptance` is a person's decision that it stands which the rules could not decide.
    """

    sentence_id: str
    text: str
    links: tuple[FactLink, ...]
    verdict: str
    reasons: tuple[str, ...] = ()
    layers: tuple[LayerVerdict, ...] = ()
    acceptance: Acceptance | None = None

    @property
    def stands(self) -> bool:
        """Whether it may be shown as content."""
        is_accepted = self.acceptance is not None and self.verdict == Verdict.PARTIALLY.word
        return self.verdict == Verdict.SUPPORTED.word or is_accepted


class Unmet(Struct, frozen=True, kw_only=True):
    """What a specification asks for and the sentences that stand do not give."""

    code: str
    pointer: str
    message: str


def refusals(sentences: Sequence[WrittenSentence], spec: ParagraphSpec) -> list[Detail]:
    """What makes an answer no answer to the specification, by JSON Pointer, each with its code; empty for one.

    More sentences than are allowed are not looked at.
    """
    if len(sentences) > spec.max_sentences:
        message = f"TOO_MANY_SENTENCES: there are {len(sentences)}, and {spec.max_sentences} are allowed."
        return [Detail("/sentences", message)]
    allowed = frozenset(spec.allowed_fact_ids)
    seen: set[str] = set()
    found: list[Detail] = []
    for at, sentence in enumerate(sentences):
        found += _text_refusals(f"/sentences/{at}/text", sentence.text, seen)
        found += _fact_refusals(f"/sentences/{at}/fact_ids", sentence.fact_ids, allowed)
    return found


def _text_refusals(pointer: str, text: str, seen: set[str]) -> Iterator[Detail]:
    plain = canonical_text(text).strip()
    if not plain:
        yield Detail(pointer, "SENTENCE_EMPTY: there is no text.")
    elif len(text) > LONGEST_SENTENCE or _CONTROL.search(text):
        yield Detail(pointer, f"SENTENCE_INVALID: a sentence has 1 to {LONGEST_SENTENCE} printable characters.")
    elif plain in seen:
        yield Detail(pointer, "SENTENCE_REPEATED: this is said before.")
    seen.add(plain)


def _fact_refusals(pointer: str, fact_ids: Sequence[str], allowed: frozenset[str]) -> Iterator[Detail]:
    if not fact_ids:
        yield Detail(pointer, "SENTENCE_WITHOUT_FACT: every sentence cites a fact.")
    if len(fact_ids) > len(allowed):
        yield Detail(pointer, f"FACT_REPEATED: {len(fact_ids)} are cited, and {len(allowed)} are allowed.")
        return
    for at, fact_id in enumerate(fact_ids):
        if fact_id not in allowed:
            yield Detail(f"{pointer}/{at}", f"FACT_NOT_ALLOWED: {fact_id[:64]} is not one of allowed_fact_ids.")
        elif fact_id in fact_ids[:at]:
            yield Detail(f"{pointer}/{at}", f"FACT_REPEATED: {fact_id} is cited twice.")


def judged(
    paragraph_id: str,
    key: str,
    sentences: Sequence[WrittenSentence],
    facts: Mapping[str, AllowedFact],
    spec: ParagraphSpec,
) -> list[SupportedSentence]:
    """Every sentence held against the words of the facts that it cites; `key` names the text that it is of.

    Raises KeyError for a fact that is not given.
    """
    found = [
        verified(
            derive("sen", paragraph_id, key, str(at)),
            canonical_text(sentence.text).strip(),
            [FactLink(fact_id=fact_id, evidence=facts[fact_id].evidence) for fact_id in sentence.fact_ids],
        )
        for at, sentence in enumerate(sentences)
    ]
    return _without_phrases(found, spec)


def verified(sentence_id: str, text: str, links: Sequence[FactLink]) -> SupportedSentence:
    """A sentence with what the rules find of it."""
    found = verify(text, [link.evidence.quote for link in links])
    return SupportedSentence(
        sentence_id=sentence_id,
        text=text,
        links=tuple(links),
        verdict=found.verdict.word,
        reasons=found.reasons,
        layers=found.layers,
    )


def again(sentences: Sequence[SupportedSentence], spec: ParagraphSpec) -> list[SupportedSentence]:
    """The same sentences held against the same words once more; what a person decided stays decided."""
    found = [
        msgspec.structs.replace(verified(own.sentence_id, own.text, own.links), acceptance=own.acceptance)
        for own in sentences
    ]
    return _without_phrases(found, spec)


def remade(sentences: Sequence[SupportedSentence], spec: ParagraphSpec) -> list[SupportedSentence]:
    """The same sentences out of their facts' words, and of what a judge said of them where the rules say the same."""
    return [
        own if any(layer.layer == "judge" for layer in own.layers) and _rules(own) == _rules(made) else made
        for own, made in zip(sentences, again(sentences, spec), strict=True)
    ]


def _rules(sentence: SupportedSentence) -> tuple[LayerVerdict, ...]:
    return tuple(layer for layer in sentence.layers if layer.layer != "judge")


def _without_phrases(sentences: Sequence[SupportedSentence], spec: ParagraphSpec) -> list[SupportedSentence]:
    """The sentences, of which those with a forbidden phrase do not stand, as in a section."""
    rules = Constraints(forbidden_phrases=spec.forbidden_phrases)
    return _found(sentences, ruled_out([verdict_of(sentence) for sentence in sentences], rules))


def judge_input(sentences: Sequence[SupportedSentence]) -> JudgeInput:
    """What a judge is asked: what the rules let stand, as it can only lower a verdict; no person's decision."""
    return JudgeInput(
        sentences=tuple(
            JudgedSentence(
                sentence_id=sentence.sentence_id,
                text=sentence.text,
                quotes=tuple(link.evidence.quote for link in sentence.links),
            )
            for sentence in sentences
            if sentence.verdict == Verdict.SUPPORTED.word
        )
    )


def lowered(sentences: Sequence[SupportedSentence], judging: Judging) -> list[SupportedSentence]:
    """The sentences after a judge, by the rules that hold for sections: never better than before."""
    return _found(sentences, judging.lowering([verdict_of(sentence) for sentence in sentences]))


def _found(sentences: Sequence[SupportedSentence], verdicts: Sequence[SentenceVerdict]) -> list[SupportedSentence]:
    return [
        msgspec.structs.replace(
            own, verdict=after.verdict, reasons=after.reasons, layers=after.layers, acceptance=after.acceptance
        )
        for own, after in zip(sentences, verdicts, strict=True)
    ]


def verdict_of(sentence: SupportedSentence) -> SentenceVerdict:
    """The sentence's verdict as documents and their reviews have it."""
    return SentenceVerdict(
        sentence_id=sentence.sentence_id,
        text=sentence.text,
        fact_ids=tuple(link.fact_id for link in sentence.links),
        verdict=sentence.verdict,
        reasons=sentence.reasons,
        layers=sentence.layers,
        acceptance=sentence.acceptance,
    )


def unmet(spec: ParagraphSpec, sentences: Sequence[SupportedSentence]) -> list[Unmet]:
    """What the sentences that stand do not give of what the specification asks."""
    standing = [sentence for sentence in sentences if sentence.stands]
    return [*_counts(spec, standing), *_uncited(spec, standing)]


def _counts(spec: ParagraphSpec, standing: Sequence[SupportedSentence]) -> Iterator[Unmet]:
    words = sum(len(sentence.text.split()) for sentence in standing)
    if len(standing) < spec.min_sentences:
        yield _unmet("TOO_FEW_SENTENCES", "min_sentences", f"{len(standing)} stand of {spec.min_sentences} at least.")
    if words < spec.min_words:
        yield _unmet("TOO_FEW_WORDS", "min_words", f"{words} words stand of {spec.min_words} at least.")
    if words > spec.max_words:
        yield _unmet("TOO_MANY_WORDS", "max_words", f"{words} words stand, and {spec.max_words} are allowed.")


def _uncited(spec: ParagraphSpec, standing: Sequence[SupportedSentence]) -> Iterator[Unmet]:
    cited = {link.fact_id for sentence in standing for link in sentence.links}
    for at, fact_id in enumerate(spec.required_fact_ids):
        if fact_id not in cited:
            yield _unmet("FACT_NOT_USED", f"required_fact_ids/{at}", f"No sentence that stands cites {fact_id}.")


def _unmet(code: str, field: str, message: str) -> Unmet:
    return Unmet(code=code, pointer=f"/spec/{field}", message=message)


_ENCODER = msgspec.json.Encoder(order="sorted")


def encode(sentences: Sequence[SupportedSentence]) -> bytes:
    """Canonical JSON of a text: the sentences with their facts, quotes and verdicts, withheld ones too.

    Decisions of people are in it where there are some: texts from before there were any keep their hashes.
    """
    plain = msgspec.to_builtins(tuple(sentences))
    for sentence in plain:
        if sentence["acceptance"] is None:
            del sentence["acceptance"]
    return _ENCODER.encode(plain)


def text_hash(sentences: Sequence[SupportedSentence]) -> str:
    """SHA-256 of a text's canonical form."""
    return sha256_hex(encode(sentences))
