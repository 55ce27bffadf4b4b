"""Bundles: named sets of sources, and their versions."""

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE ingest.bundles (
        tenant_id text NOT NULL,
        bundle_id text NOT NULL,
        name text NOT NULL CHECK (name <> ''),
        description text NOT NULL,
        labels text[] NOT NULL,
        -- Number of the newest version, 0 before the first; whoever makes the next one holds this row.
        version integer NOT NULL CHECK (version >= 0),
        created_by text NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, bundle_id),
        UNIQUE (tenant_id, name)
    )
    """,
    """
    CREATE TABLE ingest.bundle_versions (
        tenant_id text NOT NULL,
        bundle_id text NOT NULL,
        version integer NOT NULL CHECK (version >= 1),
        source_ids text[] NOT NULL,
        sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
        note text NOT NULL,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, bundle_id, version),
        FOREIGN KEY (tenant_id, bundle_id) REFERENCES ingest.bundles (tenant_id, bundle_id)
    )
    """,
)


def upgrade() -> None:
    """Create the tables, each under the tenant's row policy."""
    for statement in _STATEMENTS:
        op.execute(statement)
    for table in ("bundles", "bundle_versions"):
        protect_by_tenant(op, "ingest", table)
