"""Paragraphs in Postgres: a row for each, and texts that are written once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import msgspec

from lace_core.errors import LaceError, Reason
from lace_core.paragraphs.spec import ParagraphSpec
from lace_core.paragraphs.support import SupportedSentence, Unmet
from lace_platform.db.transaction import Transaction
from lace_runs.adapters import locks
from lace_runs.app.paragraphs.ports import ParagraphFilter
from lace_runs.domain.paragraphs.records import Landing, Making, Paragraph, Text
from lace_runs.domain.paragraphs.states import ParagraphState

_COLUMNS = """tenant_id, paragraph_id, spec, spec_version, labels, state, artifact_id, node_id, text_version, texts,
 run_id, run_pipeline_id, error_code, error_message, landing, version, created_by, created_at, updated_at"""

INSERT = """
INSERT INTO runs.paragraphs (tenant_id, paragraph_id, title, spec, spec_version, labels, state, artifact_id, node_id,
  text_version, texts, run_id, run_pipeline_id, error_code, error_message, landing, version, created_by, created_at,
  updated_at)
VALUES (:tenant_id, :paragraph_id, :title, CAST(:spec AS jsonb), :spec_version, :labels, :state, :artifact_id, :node_id,
  :text_version, :texts, :run_id, :run_pipeline_id, :error_code, :error_message, CAST(:landing AS jsonb), :version,
  :created_by, :created_at, :updated_at)
ON CONFLICT (tenant_id, paragraph_id) DO NOTHING
"""

GET = f"SELECT {_COLUMNS} FROM runs.paragraphs WHERE tenant_id = :tenant_id AND paragraph_id = :paragraph_id"

LIST = f"""
SELECT {_COLUMNS} FROM runs.paragraphs
WHERE tenant_id = :tenant_id AND state <> 'deleted' AND labels <@ :labels
  AND (:state = '' OR state = :state) AND (:artifact_id = '' OR artifact_id = :artifact_id)
  AND (CAST(:created_at AS timestamptz) IS NULL
    OR (created_at, paragraph_id) < (CAST(:created_at AS timestamptz), :paragraph_id))
ORDER BY created_at DESC, paragraph_id DESC LIMIT :limit
"""

SAVE = """
UPDATE runs.paragraphs SET title = :title, spec = CAST(:spec AS jsonb), spec_version = :spec_version, labels = :labels,
  state = :state, text_version = :text_version, texts = :texts, run_id = :run_id, run_pipeline_id = :run_pipeline_id,
  error_code = :error_code, error_message = :error_message, landing = CAST(:landing AS jsonb), version = version + 1,
  updated_at = :updated_at
WHERE tenant_id = :tenant_id AND paragraph_id = :paragraph_id AND version = :version
"""

INSERT_TEXT = """
INSERT INTO runs.paragraph_texts (tenant_id, paragraph_id, text_version, spec_version, spec, origin, run_id, call_id,
  contract, template_hash, model, input_hash, verifier_version, content_hash, unmet, created_by, created_at)
VALUES (:tenant_id, :paragraph_id, :text_version, :spec_version, CAST(:spec AS jsonb), :origin, :run_id, :call_id,
  :contract, :template_hash, :model, :input_hash, :verifier_version, :content_hash, CAST(:unmet AS jsonb), :created_by,
  :created_at)
"""

INSERT_SENTENCES = """
INSERT INTO runs.paragraph_sentences (tenant_id, paragraph_id, text_version, position, sentence_id, text, verdict,
  reasons, layers, acceptance)
SELECT :tenant_id, :paragraph_id, :text_version, x.position, x.sentence_id, x.text, x.verdict, x.reasons, x.layers,
  x.acceptance
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(position int, sentence_id text, text text, verdict text,
  reasons jsonb, layers jsonb, acceptance jsonb)
"""

INSERT_LINKS = """
INSERT INTO runs.sentence_fact_links (tenant_id, paragraph_id, text_version, position, place, fact_id, evidence)
SELECT :tenant_id, :paragraph_id, :text_version, x.position, x.place, x.fact_id, x.evidence
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(position int, place int, fact_id text, evidence jsonb)
"""

TEXT = """
SELECT t.*, (
  SELECT jsonb_agg(jsonb_build_object('sentence_id', s.sentence_id, 'text', s.text, 'verdict', s.verdict,
    'reasons', s.reasons, 'layers', s.layers, 'acceptance', s.acceptance, 'links', (
      SELECT jsonb_agg(jsonb_build_object('fact_id', l.fact_id, 'evidence', l.evidence) ORDER BY l.place)
      FROM runs.sentence_fact_links l
      WHERE l.tenant_id = s.tenant_id AND l.paragraph_id = s.paragraph_id AND l.text_version = s.text_version
        AND l.position = s.position)) ORDER BY s.position)
  FROM runs.paragraph_sentences s
  WHERE s.tenant_id = t.tenant_id AND s.paragraph_id = t.paragraph_id AND s.text_version = t.text_version) AS sentences
FROM runs.paragraph_texts t
WHERE t.tenant_id = :tenant_id AND t.paragraph_id = :paragraph_id AND t.text_version = :text_version
"""


class PostgresParagraphs:
    """Paragraphs within one transaction; see app.paragraphs.ports.ParagraphRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def insert(self, tenant_id: str, paragraph: Paragraph) -> None:
        """Add a paragraph; one that exists is left as it is."""
        await self._tx.execute(INSERT, {**_row(paragraph), "tenant_id": tenant_id})

    async def get(self, tenant_id: str, paragraph_id: str) -> Paragraph:
        """A paragraph; raises LaceError PARAGRAPH_NOT_FOUND."""
        return await self._one(GET, tenant_id, paragraph_id)

    async def lock(self, tenant_id: str, paragraph_id: str) -> Paragraph:
        """The same; until the transaction ends nobody else changes it."""
        return await self._one(f"{GET} FOR UPDATE", tenant_id, paragraph_id)

    async def list(
        self, tenant_id: str, wanted: ParagraphFilter, before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[Paragraph]:
        """Those that are not deleted, newest first, behind (created_at, paragraph_id)."""
        created_at, paragraph_id = before or (None, "")
        parameters = {
            "tenant_id": tenant_id, "labels": sorted(wanted.labels), "state": wanted.state,
            "artifact_id": wanted.artifact_id, "created_at": created_at, "paragraph_id": paragraph_id, "limit": limit,
        }  # fmt: skip
        return [_paragraph_of(row._asdict()) for row in await self._tx.fetch_all(LIST, parameters)]

    async def save(self, tenant_id: str, paragraph: Paragraph) -> Paragraph:
        """Keep a locked paragraph as it is now, under its next version; gives it back with that."""
        saved = await self._tx.execute(SAVE, {**_row(paragraph), "tenant_id": tenant_id})
        if saved.rowcount != 1:
            raise LaceError(Reason.ETAG_MISMATCH, "The paragraph changed meanwhile; read it again.")
        return replace(paragraph, version=paragraph.version + 1)

    async def add_text(self, tenant_id: str, paragraph_id: str, text: Text) -> None:
        """Keep a text with its sentences and their facts."""
        key = {"tenant_id": tenant_id, "paragraph_id": paragraph_id, "text_version": text.text_version}
        values = {
            **key, **asdict(text.making), "spec_version": text.spec_version, "spec": _json(text.spec),
            "verifier_version": text.verifier_version, "content_hash": text.content_hash, "unmet": _json(text.unmet),
            "created_at": text.created_at,
        }  # fmt: skip
        await self._tx.execute(INSERT_TEXT, values)
        sentences = list(enumerate(text.sentences))
        await self._tx.execute(INSERT_SENTENCES, {**key, "rows": _json([_sentence_row(*each) for each in sentences])})
        links = [row for each in sentences for row in _link_rows(*each)]
        await self._tx.execute(INSERT_LINKS, {**key, "rows": _json(links)})

    async def text(self, tenant_id: str, paragraph_id: str, text_version: int) -> Text | None:
        """A text; None where there is none of that number."""
        key = {"tenant_id": tenant_id, "paragraph_id": paragraph_id, "text_version": text_version}
        row = await self._tx.fetch_one(TEXT, key) if text_version else None
        return _text_of(row._asdict()) if row is not None else None

    async def hold(self, tenant_id: str, run_id: str, epoch: int) -> None:
        """Until the transaction ends the run is its worker's; raises LaceError RUN_FENCED."""
        await locks.hold_fence(self._tx, tenant_id, run_id, epoch)

    async def _one(self, statement: str, tenant_id: str, paragraph_id: str) -> Paragraph:
        row = await self._tx.fetch_one(statement, {"tenant_id": tenant_id, "paragraph_id": paragraph_id})
        if row is None:
            raise LaceError(Reason.PARAGRAPH_NOT_FOUND, f"No paragraph {paragraph_id}.")
        return _paragraph_of(row._asdict())


def _row(paragraph: Paragraph) -> dict[str, Any]:
    row = {name: value for name, value in vars(paragraph).items() if name not in ("spec", "labels", "landing")}
    return {
        **row,
        "title": paragraph.spec.title,
        "spec": _json(paragraph.spec),
        "labels": sorted(paragraph.labels),
        "state": paragraph.state.value,
        "landing": _json(asdict(paragraph.landing)) if paragraph.landing else None,
    }


def _paragraph_of(row: dict[str, Any]) -> Paragraph:
    return Paragraph(
        **{
            **row,
            "spec": msgspec.convert(row["spec"], ParagraphSpec),
            "labels": tuple(row["labels"]),
            "state": ParagraphState(row["state"]),
            "landing": Landing(**row["landing"]) if row["landing"] else None,
        }
    )


def _sentence_row(position: int, sentence: SupportedSentence) -> dict[str, Any]:
    return {
        "position": position,
        "sentence_id": sentence.sentence_id,
        "text": sentence.text,
        "verdict": sentence.verdict,
        "reasons": sentence.reasons,
        "layers": sentence.layers,
        "acceptance": sentence.acceptance,
    }


def _link_rows(position: int, sentence: SupportedSentence) -> list[dict[str, Any]]:
    return [
        {"position": position, "place": place, "fact_id": link.fact_id, "evidence": link.evidence}
        for place, link in enumerate(sentence.links)
    ]


def _text_of(row: Mapping[str, Any]) -> Text:
    names = ("origin", "created_by", "run_id", "call_id", "contract", "template_hash", "model", "input_hash")
    return Text(
        text_version=row["text_version"],
        spec_version=row["spec_version"],
        spec=msgspec.convert(row["spec"], ParagraphSpec),
        making=Making(**{name: row[name] for name in names}),
        verifier_version=row["verifier_version"],
        content_hash=row["content_hash"],
        sentences=msgspec.convert(row["sentences"] or [], tuple[SupportedSentence, ...]),
        unmet=msgspec.convert(row["unmet"], tuple[Unmet, ...]),
        created_at=row["created_at"],
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
