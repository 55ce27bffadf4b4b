"""Test suites of documents, their results, and publications."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Make what is missing."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
