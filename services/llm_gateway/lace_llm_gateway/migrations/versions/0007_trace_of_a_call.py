"""The trace that a call was made in."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; calls of before were in no trace that is known."""
    op.execute("ALTER TABLE llm_gateway.llm_calls ADD COLUMN trace_id text NOT NULL DEFAULT ''")
