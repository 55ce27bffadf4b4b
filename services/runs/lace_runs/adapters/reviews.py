"""Review items in Postgres, each with all that was done about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from lace_core.errors import LaceError, Reason
from lace_core.ir import Evidence, Source
from lace_core.reviewing import Place
from lace_core.writing import SentenceVerdict
from lace_platform.db.transaction import Transaction
from lace_runs.adapters.labels import may_be_seen
from lace_runs.domain.reviews import CREATED, ReviewEvent, ReviewItem, ReviewState, Wanted

# The event has the number of the item's version that it made; what is there already was made by an earlier attempt.
INSERT = """
WITH added AS (
  INSERT INTO runs.review_items (tenant_id, review_item_id, artifact_id, paragraph_id, run_id, node_id, block_id,
    node_title, text, verdict, judged, place, evidence, sources, labels, state, version, created_by, created_at)
  SELECT :tenant_id, x.review_item_id, x.artifact_id, x.paragraph_id, x.run_id, x.node_id, x.block_id,
    x.node_title, x.text, x.verdict, x.judged, x.place, x.evidence, x.sources, x.labels, 'open', 1, x.created_by,
    x.created_at
  FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(review_item_id text, artifact_id text, paragraph_id text,
    run_id text, node_id text, block_id text, node_title text, text text, verdict text, judged jsonb, place jsonb,
    evidence jsonb, sources jsonb, labels text[], created_by text, created_at timestamptz)
  ON CONFLICT DO NOTHING
  RETURNING tenant_id, review_item_id, created_by, created_at
)
INSERT INTO runs.review_events (tenant_id, review_item_id, position, action, actor, at, reason, detail)
SELECT tenant_id, review_item_id, 1, :action, created_by, created_at, '', '' FROM added
"""

GET = """
SELECT i.*, coalesce(a.title, '') AS artifact_title
FROM runs.review_items i LEFT JOIN runs.artifacts a USING (tenant_id, artifact_id)
WHERE i.tenant_id = :tenant_id AND i.review_item_id = :review_item_id
"""

PAGE = f"""
SELECT i.*, coalesce(a.title, '') AS artifact_title
FROM runs.review_items i LEFT JOIN runs.artifacts a USING (tenant_id, artifact_id)
WHERE i.tenant_id = :tenant_id
  AND (:paragraph_id = '' OR i.paragraph_id = :paragraph_id)
  AND (:artifact_id = '' OR i.artifact_id = :artifact_id) AND (:state = '' OR i.state = :state)
  AND (:run_id = '' OR i.run_id = :run_id) AND (:verdict = '' OR i.verdict = :verdict)
  AND (:assignee = '' OR i.assignee = :assignee)
  AND i.labels <@ CAST(:held AS text[])
  AND {may_be_seen("a", "a.head_revision_id")}
  AND (CAST(:at AS timestamptz) IS NULL OR
       (i.created_at, i.review_item_id) < (CAST(:at AS timestamptz), CAST(:before_id AS text)))
ORDER BY i.created_at DESC, i.review_item_id DESC LIMIT :limit
"""

SAVE = """
WITH saved AS (
  UPDATE runs.review_items SET state = :state, version = :version, assignee = :assignee, settled_by = :settled_by,
    settled_at = :settled_at, reason = :reason, new_text = :new_text, revision_id = :revision_id
  WHERE tenant_id = :tenant_id AND review_item_id = :review_item_id
  RETURNING tenant_id, review_item_id
)
INSERT INTO runs.review_events (tenant_id, review_item_id, position, action, actor, at, reason, detail)
SELECT tenant_id, review_item_id, :version, :action, :actor, :at, :event_reason, :detail FROM saved
"""

_SUPERSEDE = """
WITH gone AS (
  UPDATE runs.review_items i
  SET state = 'superseded', version = version + 1, settled_at = {at}, revision_id = {revision}
  WHERE i.tenant_id = :tenant_id AND i.artifact_id = :artifact_id AND i.state = 'open' AND {which}
  RETURNING i.tenant_id, i.review_item_id, i.version, i.settled_at, i.revision_id
)
INSERT INTO runs.review_events (tenant_id, review_item_id, position, action, actor, at, reason, detail)
SELECT tenant_id, review_item_id, version, 'superseded', {actor}, settled_at, '', revision_id FROM gone
"""

SUPERSEDE_PARAGRAPH = """
WITH gone AS (
  UPDATE runs.review_items i SET state = 'superseded', version = version + 1, settled_at = :at
  WHERE i.tenant_id = :tenant_id AND i.paragraph_id = :paragraph_id AND i.paragraph_id <> '' AND i.state = 'open'
    AND NOT i.review_item_id = ANY(CAST(:kept AS text[]))
  RETURNING i.tenant_id, i.review_item_id, i.version, i.settled_at
)
INSERT INTO runs.review_events (tenant_id, review_item_id, position, action, actor, at, reason, detail)
SELECT tenant_id, review_item_id, version, 'superseded', :actor, settled_at, '', '' FROM gone
"""

SUPERSEDE_SECTIONS = _SUPERSEDE.format(
    at=":at", revision="''", actor=":actor", which="i.run_id <> :run_id AND i.node_id = ANY(CAST(:node_ids AS text[]))"
)

# Places that a revision changed. A review's own revision leaves the block's other items open (review/...), and so does
# one that adds citations to what is said already (.../cite/...): both are found again by the words before them.
SUPERSEDE_CHANGED = _SUPERSEDE.format(
    at="now()",
    revision=":revision_id",
    actor="(SELECT created_by FROM runs.artifact_revisions WHERE tenant_id = :tenant_id "
    "AND artifact_id = :artifact_id AND revision_id = :revision_id)",
    which="""EXISTS (
    SELECT 1 FROM runs.change_events c
    WHERE c.tenant_id = i.tenant_id AND c.artifact_id = i.artifact_id AND c.revision_id = :revision_id
      AND (c.run_id = '' OR c.run_id <> i.run_id)
      AND c.action_key NOT LIKE 'review/%' AND c.action_key NOT LIKE '%/cite/%'
      AND (c.change = 'removed' AND c.subject_id IN (i.node_id, i.block_id)
           OR c.change = 'replaced' AND c.subject_id = i.block_id))""",
)


async def supersede_changed(tx: Transaction, tenant_id: str, artifact_id: str, revision_id: str) -> None:
    """Settle the open items whose places the committed revision changed or took out."""
    key = {"tenant_id": tenant_id, "artifact_id": artifact_id, "revision_id": revision_id}
    await tx.execute(SUPERSEDE_CHANGED, key)


class PostgresReviews:
    """Review items within one transaction; see app.reviews.ports.ReviewRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, tenant_id: str, items: Sequence[ReviewItem]) -> None:
        """Keep items; those that are there already stay as they are."""
        if items:
            rows = msgspec.json.encode([_row(item) for item in items]).decode()
            await self._tx.execute(INSERT, {"tenant_id": tenant_id, "rows": rows, "action": CREATED})

    async def get(self, tenant_id: str, review_item_id: str) -> ReviewItem:
        """An item; raises LaceError REVIEW_ITEM_NOT_FOUND."""
        return await self._one(GET, tenant_id, review_item_id)

    async def hold(self, tenant_id: str, review_item_id: str) -> ReviewItem:
        """An item that nobody else decides about until the transaction ends."""
        return await self._one(f"{GET} FOR UPDATE OF i", tenant_id, review_item_id)

    async def _one(self, sql: str, tenant_id: str, review_item_id: str) -> ReviewItem:
        row = await self._tx.fetch_one(sql, {"tenant_id": tenant_id, "review_item_id": review_item_id})
        if row is None:
            raise LaceError(Reason.REVIEW_ITEM_NOT_FOUND, f"No review item {review_item_id}.")
        return _item_of(row._asdict())

    async def page(
        self, tenant_id: str, wanted: Wanted, before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[ReviewItem]:
        """Items newest first, behind the cursor."""
        at, before_id = before or (None, "")
        names = ("artifact_id", "paragraph_id", "state", "run_id", "verdict", "assignee")
        filters = {name: getattr(wanted, name) for name in names}
        rows = await self._tx.fetch_all(
            PAGE,
            {
                "tenant_id": tenant_id,
                **filters,
                "held": sorted(wanted.labels),
                "at": at,
                "before_id": before_id,
                "limit": limit,
            },
        )
        return [_item_of(row._asdict()) for row in rows]

    async def history(self, tenant_id: str, review_item_id: str) -> Sequence[ReviewEvent]:
        """All that was done about an item, oldest first."""
        rows = await self._tx.fetch_all(
            """SELECT action, actor, at, reason, detail FROM runs.review_events
               WHERE tenant_id = :tenant_id AND review_item_id = :review_item_id ORDER BY position""",
            {"tenant_id": tenant_id, "review_item_id": review_item_id},
        )
        return [ReviewEvent(**row._asdict()) for row in rows]

    async def save(self, tenant_id: str, item: ReviewItem, event: ReviewEvent) -> None:
        """Keep what was decided about an item that is held."""
        names = ("version", "assignee", "settled_by", "settled_at", "reason", "new_text", "revision_id")
        await self._tx.execute(
            SAVE,
            {
                "tenant_id": tenant_id,
                "review_item_id": item.review_item_id,
                "state": item.state.value,
                **{name: getattr(item, name) for name in names},
                "action": event.action,
                "actor": event.actor,
                "at": event.at,
                "event_reason": event.reason,
                "detail": event.detail,
            },
        )

    async def supersede(
        self, tenant_id: str, artifact_id: str, run_id: str, node_ids: Sequence[str], actor: str, at: datetime
    ) -> int:
        """Settle the open items that other runs made for these sections; how many there were."""
        key = {"tenant_id": tenant_id, "artifact_id": artifact_id, "run_id": run_id, "node_ids": list(node_ids)}
        return (await self._tx.execute(SUPERSEDE_SECTIONS, {**key, "actor": actor, "at": at})).rowcount

    async def supersede_paragraph(
        self, tenant_id: str, paragraph_id: str, kept: Sequence[str], actor: str, at: datetime
    ) -> int:
        """Settle the open items of a paragraph but for those named; how many there were."""
        key = {"tenant_id": tenant_id, "paragraph_id": paragraph_id, "kept": list(kept)}
        return (await self._tx.execute(SUPERSEDE_PARAGRAPH, {**key, "actor": actor, "at": at})).rowcount

    async def count_waiting(self, tenant_id: str, review_item_ids: Sequence[str]) -> int:
        """How many of these items wait."""
        row = await self._tx.fetch_one(
            """SELECT count(*) AS waiting FROM runs.review_items
               WHERE tenant_id = :tenant_id AND review_item_id = ANY(CAST(:ids AS text[])) AND state = 'open'""",
            {"tenant_id": tenant_id, "ids": list(review_item_ids)},
        )
        return int(row.waiting) if row is not None else 0

    async def count_open(self, tenant_id: str, run_id: str) -> int:
        """How many items of a run wait."""
        row = await self._tx.fetch_one(
            """SELECT count(*) AS waiting FROM runs.review_items
               WHERE tenant_id = :tenant_id AND run_id = :run_id AND state = 'open'""",
            {"tenant_id": tenant_id, "run_id": run_id},
        )
        return int(row.waiting) if row is not None else 0


def _row(item: ReviewItem) -> dict[str, Any]:
    names = ("review_item_id", "artifact_id", "paragraph_id", "run_id", "node_title", "place", "evidence", "sources")
    return {
        **{name: getattr(item, name) for name in (*names, "labels", "created_by", "created_at")},
        "node_id": item.place.node_id,
        "block_id": item.place.block_id,
        "text": item.verdict.text,
        "verdict": item.verdict.verdict,
        "judged": item.verdict,
    }


def _item_of(row: Mapping[str, Any]) -> ReviewItem:
    names = (
        "tenant_id", "review_item_id", "artifact_id", "paragraph_id", "run_id", "node_title", "created_by",
        "created_at", "version", "assignee", "settled_by", "settled_at", "reason", "new_text", "revision_id",
        "artifact_title",
    )  # fmt: skip
    return ReviewItem(
        **{name: row[name] for name in names},
        verdict=msgspec.convert(row["judged"], SentenceVerdict),
        place=msgspec.convert(row["place"], Place),
        evidence=msgspec.convert(row["evidence"], tuple[Evidence, ...]),
        sources=msgspec.convert(row["sources"], tuple[Source, ...]),
        labels=tuple(row["labels"]),
        state=ReviewState(row["state"]),
    )
