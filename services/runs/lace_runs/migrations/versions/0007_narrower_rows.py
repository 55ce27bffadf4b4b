"""What a step boundary writes is made smaller once more; rows that are there keep what they hold."""

from __future__ import annotations

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0007"
down_revision = "0006"

# What many runs of a tenant were started under, once. A run from before keeps its own in its row.
SETTINGS = """
    tenant_id text NOT NULL, settings_hash text NOT NULL, settings jsonb NOT NULL,
    PRIMARY KEY (tenant_id, settings_hash)
"""

STATEMENTS = (
    # Without a value that is stored elsewhere, a run's next version needs no lock record and no look at that value.
    "ALTER TABLE runs.runs ALTER settings DROP NOT NULL",
    # A run's id says which tenant's it is: it need not stand in each entry of each index a second time.
    "ALTER TABLE runs.runs DROP CONSTRAINT runs_pkey, DROP CONSTRAINT runs_run_id_key, ADD PRIMARY KEY (run_id)",
    "ALTER TABLE runs.step_runs DROP CONSTRAINT step_runs_pkey, ADD PRIMARY KEY (run_id, step_id, attempt)",
    "ALTER TABLE runs.run_checkpoints DROP CONSTRAINT run_checkpoints_pkey, ADD PRIMARY KEY (run_id, step_id)",
    # An event's id is made of its run's and its place.
    "ALTER TABLE runs.run_events DROP COLUMN event_id",
)


def upgrade() -> None:
    """Make the table of settings, with row level security, and the narrower keys."""
    op.execute(f"CREATE TABLE runs.settings_snapshots ({SETTINGS})")
    protect_by_tenant(op, "runs", "settings_snapshots")
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
