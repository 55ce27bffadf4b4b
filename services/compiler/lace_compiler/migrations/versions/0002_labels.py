"""The labels of what was compiled."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what was compiled before there were labels to keep stays open to all of its tenant."""
    op.execute("ALTER TABLE compiler.compiled_artifacts ADD COLUMN labels text[] NOT NULL DEFAULT '{}'")
