"""What every step boundary writes is made small; rows that are there stay as they are and keep their meaning."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    # What a boundary changes of a run is a few bytes. The settings, which never change, stand beside the row, and half
    # of each page is left for its next versions: these then stay on the page and touch no index.
    "ALTER TABLE runs.runs SET (fillfactor = 50, toast_tuple_target = 1024)",
    # Null in old rows: their logs left with the boundary of their step.
    "ALTER TABLE runs.step_runs ADD COLUMN log jsonb",
    # A run has few steps: they are found by the run, and put in order as they are read.
    "DROP INDEX runs.step_runs_by_position",
)


def upgrade() -> None:
    """Change what the tables keep room for, and add where logs wait."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
