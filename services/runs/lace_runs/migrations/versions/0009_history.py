"""Branches, tags and merges of documents."""

from __future__ import annotations

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0009"
down_revision = "0008"

TABLES = {
    # The branch main is no row: its head is the artifact's.
    "artifact_branches": """
        tenant_id text NOT NULL, artifact_id text NOT NULL, name text NOT NULL, head_revision_id text NOT NULL,
        from_revision_id text NOT NULL, created_by text NOT NULL, created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, artifact_id, name)
    """,
    "artifact_tags": """
        tenant_id text NOT NULL, artifact_id text NOT NULL, name text NOT NULL, revision_id text NOT NULL,
        message text NOT NULL, created_by text NOT NULL, created_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, artifact_id, name)
    """,
}

STATEMENTS = (
    # A merged revision has two parents. message: why a person made the revision.
    "ALTER TABLE runs.artifact_revisions ADD COLUMN second_parent_revision_id text, "
    "ADD COLUMN message text NOT NULL DEFAULT ''",
    # Which revisions changed a section or block, and each version of a block.
    "CREATE INDEX change_events_of_subject ON runs.change_events (tenant_id, artifact_id, subject_id)",
    "CREATE INDEX artifact_blocks_by_id ON runs.artifact_blocks (tenant_id, artifact_id, block_id, block_hash)",
)


def upgrade() -> None:
    """Make the tables, with row level security, the columns and the indexes."""
    for name, columns in TABLES.items():
        op.execute(f"CREATE TABLE runs.{name} ({columns})")
        protect_by_tenant(op, "runs", name)
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
