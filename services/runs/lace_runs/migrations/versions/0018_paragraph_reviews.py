"""Sentences of paragraphs in the review queue, and those that stand on a person's word."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"

STATEMENTS = (
    "ALTER TABLE runs.review_items ADD COLUMN paragraph_id text NOT NULL DEFAULT ''",
    """CREATE INDEX review_items_of_paragraph ON runs.review_items (tenant_id, paragraph_id)
       WHERE state = 'open' AND paragraph_id <> ''""",
    # acceptance: see lace_core.verification.verdicts; it lets stand what could not be decided, and nothing else
    "ALTER TABLE runs.paragraph_sentences ADD COLUMN acceptance jsonb",
    "ALTER TABLE runs.paragraph_sentences DROP COLUMN stands",
    """ALTER TABLE runs.paragraph_sentences ADD COLUMN stands boolean NOT NULL GENERATED ALWAYS AS
       (verdict = 'supported' OR verdict = 'partially' AND acceptance IS NOT NULL) STORED""",
)


def upgrade() -> None:
    """Add the columns."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
