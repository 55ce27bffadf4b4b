"""Registered pipelines: versions of orders of known kinds of steps."""

from __future__ import annotations

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0004"
down_revision = "0003"

# steps: [{step, version, timeout_s, max_attempts}, …]; kinds: what a worker must be able to do, as step:name/version
PIPELINES = """
    tenant_id text NOT NULL, pipeline_id text NOT NULL, version int NOT NULL CHECK (version > 0),
    description text NOT NULL, steps jsonb NOT NULL, kinds text[] NOT NULL, definition_hash text NOT NULL,
    created_by text NOT NULL, created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, pipeline_id, version)
"""


def upgrade() -> None:
    """Make the table, with row level security."""
    op.execute(f"CREATE TABLE runs.pipelines ({PIPELINES})")
    protect_by_tenant(op, "runs", "pipelines")


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
