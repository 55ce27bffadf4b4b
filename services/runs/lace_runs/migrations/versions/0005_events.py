"""The request that a command came with, for it and for the events that tell of it."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """One column each, empty for what was written before: such events name the request that started their run."""
    op.execute("ALTER TABLE runs.run_control_commands ADD COLUMN cause jsonb NOT NULL DEFAULT '{}'")
    op.execute("ALTER TABLE runs.run_events ADD COLUMN cause jsonb NOT NULL DEFAULT '{}'")


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
