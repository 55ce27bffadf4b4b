"""What a tenant may use at once."""

from __future__ import annotations

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0002"
down_revision = "0001"

# 0 is no limit; the audit log has what the row held before.
QUOTAS = """
    CREATE TABLE control.tenant_quotas (
        tenant_id text PRIMARY KEY REFERENCES control.tenants,
        max_concurrent_runs integer NOT NULL CHECK (max_concurrent_runs >= 0),
        max_queued_runs integer NOT NULL CHECK (max_queued_runs >= 0),
        runs_per_minute integer NOT NULL CHECK (runs_per_minute >= 0),
        version bigint NOT NULL CHECK (version > 0),
        updated_by text NOT NULL,
        updated_at timestamptz NOT NULL
    )
"""


def upgrade() -> None:
    """Add the table; a tenant without a row has no limits."""
    op.execute(QUOTAS)
    protect_by_tenant(op, "control", "tenant_quotas")


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
