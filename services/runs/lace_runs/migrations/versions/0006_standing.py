"""Since when a run stands paused, and how long it stood before: time that its deadline does not count."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

# What stands paused as this comes is known from its last event.
STANDING = """
UPDATE runs.runs r SET paused_at = (
  SELECT max(e.occurred_at) FROM runs.run_events e WHERE e.run_id = r.run_id AND e.event_type = 'pipeline.run.paused')
WHERE r.state IN ('paused', 'resuming') AND r.started_at IS NOT NULL
"""


def upgrade() -> None:
    """Add both columns. paused_at is null where a run works or has not begun; stood_ms is milliseconds."""
    op.execute("ALTER TABLE runs.runs ADD COLUMN paused_at timestamptz, ADD COLUMN stood_ms bigint NOT NULL DEFAULT 0")
    op.execute(STANDING)


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
