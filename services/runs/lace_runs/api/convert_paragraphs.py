"""Between paragraphs and their wire messages."""

from __future__ import annotations

from typing import Any

import msgspec

from lace.common.v1 import ir_pb2
from lace.runs.v1 import paragraphs_pb2 as wire
from lace.runs.v1 import verdicts_pb2
from lace_core.contracts import WrittenSentence
from lace_core.paragraphs.spec import MAX_SENTENCES, MAX_WORDS, MIN_SENTENCES, ParagraphSpec
from lace_core.paragraphs.support import FactLink, SupportedSentence
from lace_proto.times import to_timestamp
from lace_runs.api.convert_verdicts import acceptance_message
from lace_runs.app.paragraphs.editing import Edit
from lace_runs.app.paragraphs.rebuilding import Rebuilt
from lace_runs.app.paragraphs.specs import Shown
from lace_runs.domain.paragraphs.records import MODEL, PERSON, Paragraph
from lace_runs.domain.paragraphs.states import ParagraphState

_ORIGINS = {MODEL: wire.TEXT_ORIGIN_MODEL, PERSON: wire.TEXT_ORIGIN_PERSON}
_PLAIN = ("title", "section", "purpose", "audience", "tone", "min_words")
_LISTS = ("questions", "allowed_fact_ids", "required_fact_ids", "forbidden_phrases")


def spec_of(message: wire.ParagraphSpec) -> ParagraphSpec:
    """A specification, with what holds where nothing was said."""
    plain: dict[str, Any] = {name: getattr(message, name) for name in _PLAIN}
    lists: dict[str, Any] = {name: tuple(getattr(message, name)) for name in _LISTS}
    return ParagraphSpec(
        **plain,
        **lists,
        language=message.language or "en",
        min_sentences=message.min_sentences or MIN_SENTENCES,
        max_sentences=message.max_sentences or MAX_SENTENCES,
        max_words=message.max_words or MAX_WORDS,
    )


def spec_message(spec: ParagraphSpec) -> wire.ParagraphSpec:
    """A specification on the wire."""
    return wire.ParagraphSpec(**{name: getattr(spec, name) for name in spec.__struct_fields__})


def edit_of(request: wire.EditParagraphRequest) -> Edit:
    """What an EditParagraphRequest asks."""
    sentences = tuple(WrittenSentence(text=each.text, fact_ids=tuple(each.fact_ids)) for each in request.sentences)
    return Edit(request.paragraph_id, sentences, request.etag)


def state_of(state: wire.ParagraphState.ValueType) -> str:
    """The word of a state; empty where none is named."""
    return wire.ParagraphState.Name(state).removeprefix("PARAGRAPH_STATE_").lower() if state else ""


def state_message(state: ParagraphState) -> wire.ParagraphState.ValueType:
    """A state on the wire."""
    return wire.ParagraphState.Value(f"PARAGRAPH_STATE_{state.value.upper()}")


def row_message(paragraph: Paragraph) -> wire.Paragraph:
    """A paragraph without its text."""
    message = wire.Paragraph(
        paragraph_id=paragraph.paragraph_id,
        etag=paragraph.etag,
        spec=spec_message(paragraph.spec),
        spec_version=paragraph.spec_version,
        state=state_message(paragraph.state),
        artifact_id=paragraph.artifact_id,
        node_id=paragraph.node_id,
        text_version=paragraph.text_version,
        created_by=paragraph.created_by,
        created_at=to_timestamp(paragraph.created_at),
        updated_at=to_timestamp(paragraph.updated_at),
    )
    if paragraph.run_id:
        names = {"pipeline_id": paragraph.run_pipeline_id, "error_code": paragraph.error_code}
        message.last_run.CopyFrom(
            wire.ParagraphRun(run_id=paragraph.run_id, error_message=paragraph.error_message, **names)
        )
    if paragraph.landing is not None:
        message.landed.CopyFrom(wire.ParagraphLanding(**vars(paragraph.landing)))
    return message


def paragraph_message(shown: Shown) -> wire.Paragraph:
    """A paragraph with the sentences that stand; those that are withheld for who may review them alone."""
    message, text = row_message(shown.paragraph), shown.text
    if text is None:
        return message
    message.origin = _ORIGINS[text.making.origin]
    message.content_hash, message.verifier_version = text.content_hash, text.verifier_version
    message.sentences.extend(map(sentence_message, text.standing))
    message.withheld_count = len(text.withheld)
    if shown.may_review:
        message.withheld.extend(map(sentence_message, text.withheld))
    message.unmet.extend(
        wire.UnmetRule(code=rule.code, pointer=rule.pointer, message=rule.message) for rule in text.unmet
    )
    return message


def sentence_message(sentence: SupportedSentence) -> wire.SupportedSentence:
    """A sentence with its verdict and its facts."""
    return wire.SupportedSentence(
        sentence_id=sentence.sentence_id,
        text=sentence.text,
        verdict=sentence.verdict,
        reasons=sentence.reasons,
        layers=[
            verdicts_pb2.LayerVerdict(
                layer=layer.layer, verdict=layer.verdict, finding=layer.finding, call_id=layer.call_id
            )
            for layer in sentence.layers
        ],
        facts=map(_link_message, sentence.links),
        acceptance=acceptance_message(msgspec.structs.asdict(sentence.acceptance)) if sentence.acceptance else None,
    )


def rebuilt_message(rebuilt: Rebuilt, rebuilt_hash: str) -> wire.RebuildParagraphResponse:
    """What came of making a text again."""
    return wire.RebuildParagraphResponse(
        same=rebuilt.same,
        text_version=rebuilt.text.text_version,
        content_hash=rebuilt.text.content_hash,
        rebuilt_hash=rebuilt_hash,
        artefacts=[wire.Artefact(kind=a.kind, reference=a.reference, sha256=a.sha256) for a in rebuilt.artefacts],
        differences=rebuilt.differences,
    )


def _link_message(link: FactLink) -> wire.FactLink:
    evidence = link.evidence
    fields = {name: getattr(evidence, name) for name in evidence.__struct_fields__}
    return wire.FactLink(fact_id=link.fact_id, evidence=ir_pb2.Evidence(**fields))
