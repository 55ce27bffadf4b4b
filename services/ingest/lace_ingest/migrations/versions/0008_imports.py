"""Objects of the inbox that were imported, and runs that want nothing more to be read."""

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE ingest.imported_objects (
        tenant_id text NOT NULL,
        -- From the tenant's inbox on, compared byte by byte.
        name text COLLATE "C" NOT NULL,
        -- What the object was when it was imported; another one is imported again.
        mark text NOT NULL,
        source_id text NOT NULL,
        imported_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, name),
        FOREIGN KEY (tenant_id, source_id) REFERENCES ingest.sources (tenant_id, source_id)
    )
    """,
    """
    CREATE TABLE ingest.cancelled_runs (
        tenant_id text NOT NULL,
        run_id text NOT NULL,
        cancelled_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, run_id)
    )
    """,
)


def upgrade() -> None:
    """Create both tables, each under the tenant's row policy."""
    for statement in _STATEMENTS:
        op.execute(statement)
    for table in ("imported_objects", "cancelled_runs"):
        protect_by_tenant(op, "ingest", table)
