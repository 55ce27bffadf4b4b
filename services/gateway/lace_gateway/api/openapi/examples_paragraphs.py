"""The values that the API document shows of paragraphs; see examples."""

from __future__ import annotations

from typing import Any

_FACT = "fct_4k7n0q3t6w9z2c5f8j1m4p7s0v"
_SENTENCE = "Buildings with new radiators reached a seasonal performance of 3.6."
_SPEC = {
    "title": "What new radiators bring",
    "purpose": "Tell a landlord what the survey measured in buildings with new radiators.",
    "questions": ["Which seasonal performance was reached?"],
    "allowed_fact_ids": [_FACT],
    "max_words": 80,
}
_EDIT = {"sentences": [{"text": _SENTENCE, "fact_ids": [_FACT]}]}

PARAGRAPHS: dict[str, Any] = {
    "paragraph_id": "par_2m5p8s1v4y7b0d3g6j9l2o5r8u",
    "Paragraph.etag": "par-3",
    "ParagraphSpec.title": _SPEC["title"],
    "ParagraphSpec.section": "Performance",
    "ParagraphSpec.purpose": _SPEC["purpose"],
    "ParagraphSpec.questions": "Which seasonal performance was reached?",
    "ParagraphSpec.allowed_fact_ids": _FACT,
    "ParagraphSpec.required_fact_ids": _FACT,
    "ParagraphSpec.min_sentences": 1,
    "ParagraphSpec.max_sentences": 4,
    "ParagraphSpec.min_words": 10,
    "ParagraphSpec.max_words": 80,
    "ParagraphSpec.forbidden_phrases": "game changer",
    "spec_version": 1,
    "Paragraph.state": "verified",
    "text_version": 1,
    "Paragraph.origin": "model",
    "Paragraph.withheld_count": 0,
    "SupportedSentence.text": _SENTENCE,
    "SupportedSentence.verdict": "supported",
    "SupportedSentence.reasons": "quote: verbatim",
    "UnmetRule.code": "TOO_FEW_WORDS",
    "UnmetRule.pointer": "/min_words",
    "UnmetRule.message": "11 words stand; at least 20 are asked for.",
    "ParagraphRun.pipeline_id": "paragraph",
    "ParagraphRun.error_code": "",
    "ParagraphRun.error_message": "",
    "verifier_version": "rules/3",
    "StartParagraphRunResponse.state": "generating",
    "EditedSentence.text": _SENTENCE,
    "EditedSentence.fact_ids": _FACT,
    "ListParagraphsRequest.state": "verified",
    "ListParagraphsRequest.artifact_id": "",
    "RebuildParagraphRequest.text_version": 0,
    "rebuilt_hash": "5f2b1c0a9d8e7f60514233241506f7e8d9cabbac8d7e6f5041322314f5e6d7c8",
    "RebuildParagraphResponse.content_hash": "5f2b1c0a9d8e7f60514233241506f7e8d9cabbac8d7e6f5041322314f5e6d7c8",
    "RebuildParagraphResponse.same": True,
    "RebuildParagraphResponse.differences": "",
    "Artefact.kind": "answer",
    "Artefact.reference": "llc_9h2k5n8q1t4w7z0c3f6j9m2p5s",
}
REQUESTS: dict[str, Any] = {
    "CreateParagraph": {"spec": _SPEC},
    "UpdateParagraphSpec": {"spec": {**_SPEC, "max_words": 120}},
    "GenerateParagraph": {},
    "VerifyParagraph": {},
    "EditParagraph": _EDIT,
    "LandParagraph": {},
    "DeleteParagraph": {},
}
