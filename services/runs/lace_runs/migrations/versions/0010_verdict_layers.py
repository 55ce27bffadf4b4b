"""What each layer of the verification found of a sentence."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Make what is missing."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
