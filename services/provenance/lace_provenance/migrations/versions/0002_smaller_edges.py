"""Edges are found by their log and by their entity; that each is there once follows from how they are added."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STATEMENTS = (
    # Edges are added in the statement after their log's, once, and nobody may change or delete either. The key's index
    # held all of each edge a second time, and the foreign key locked the log's row for each.
    "ALTER TABLE provenance.edges DROP CONSTRAINT edges_tenant_id_log_id_fkey, DROP CONSTRAINT edges_pkey",
    "CREATE INDEX edges_of_log ON provenance.edges (tenant_id, log_id)",
    # Most of what is used is also what the outputs were derived from: one row says both.
    "ALTER TABLE provenance.edges ADD COLUMN derives boolean NOT NULL DEFAULT false",
)


def upgrade() -> None:
    """Replace the key by a smaller index."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
