"""Kept reports on how good verdicts are."""

from __future__ import annotations

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0011"
down_revision = "0010"

# report: see lace_core.evaluation; labels are those of what was measured, as the report tells of its words.
STATEMENTS = (
    """CREATE TABLE runs.evaluations (
        tenant_id text NOT NULL, evaluation_id text NOT NULL, title text NOT NULL, set_name text NOT NULL,
        artifact_id text NOT NULL, revision_id text NOT NULL, scorer text NOT NULL,
        pair_report jsonb, citation_report jsonb, labels text[] NOT NULL,
        created_by text NOT NULL, created_at timestamptz NOT NULL,
        CHECK ((pair_report IS NULL) <> (citation_report IS NULL)),
        CHECK ((citation_report IS NULL) = (artifact_id = '')),
        PRIMARY KEY (tenant_id, evaluation_id)
    )""",
    "CREATE INDEX evaluations_by_time ON runs.evaluations (tenant_id, created_at DESC, evaluation_id DESC)",
    "CREATE INDEX evaluations_of_artifact ON runs.evaluations (tenant_id, artifact_id, created_at DESC)",
)


def upgrade() -> None:
    """Make the table, with row level security, and its indexes."""
    for statement in STATEMENTS:
        op.execute(statement)
    protect_by_tenant(op, "runs", "evaluations")


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
