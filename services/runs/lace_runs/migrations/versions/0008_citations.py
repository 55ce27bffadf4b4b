"""Evidence is found by the source and by the unit that it quotes: who cites what has changed."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

STATEMENTS = (
    "CREATE INDEX evidence_of_source ON runs.evidence (tenant_id, source_id, artifact_id)",
    "CREATE INDEX evidence_of_unit ON runs.evidence (tenant_id, unit_id, artifact_id)",
)


def upgrade() -> None:
    """Make the indexes."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
