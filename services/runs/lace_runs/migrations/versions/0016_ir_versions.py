"""Documents of the second IR schema beside those of the first."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Make what is missing."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
