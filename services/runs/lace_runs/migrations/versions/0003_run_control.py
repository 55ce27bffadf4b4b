"""Run control: priority, what a tenant may run at once, fenced locks, and indexes that claims are made by."""

from __future__ import annotations

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    "ALTER TABLE runs.runs ADD COLUMN priority smallint NOT NULL DEFAULT 5 CHECK (priority BETWEEN 0 AND 9)",
    # Both instead of runs_active: what waits is claimed in this very order, what is under way is looked for when its
    # worker has died, and counted for a tenant that may run so many only.
    "CREATE INDEX runs_waiting ON runs.runs (tenant_id, priority DESC, created_at, run_id) "
    "WHERE state IN ('queued', 'resuming')",
    "CREATE INDEX runs_under_way ON runs.runs (tenant_id) WHERE state IN ('running', 'pausing')",
    "DROP INDEX IF EXISTS runs.runs_active",
    "ALTER TABLE runs.artifact_locks ADD COLUMN lock_epoch bigint NOT NULL DEFAULT 0",
    # A lease tells no tenant anything; a commit looks at it in its own transaction.
    "GRANT SELECT ON runs.workers TO lace_runs",
)

# What control says of a tenant, as of its last start; 0 is no limit.
LIMITS = """
    tenant_id text NOT NULL PRIMARY KEY, max_concurrent_runs int NOT NULL, max_queued_runs int NOT NULL,
    runs_per_minute int NOT NULL, version bigint NOT NULL
"""


def upgrade() -> None:
    """Add the columns, the indexes and the table."""
    for statement in STATEMENTS:
        op.execute(statement)
    op.execute(f"CREATE TABLE runs.tenant_limits ({LIMITS})")
    protect_by_tenant(op, "runs", "tenant_limits")


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
