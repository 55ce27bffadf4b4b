"""The ledger tells who asked, with which prompt, and by which tries, and is summed by time."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS = """
    ALTER TABLE llm_gateway.llm_calls
        ADD COLUMN principal_id text NOT NULL DEFAULT '',
        ADD COLUMN template_id text NOT NULL DEFAULT '',
        ADD COLUMN response_api text NOT NULL DEFAULT '',
        ADD COLUMN trail jsonb NOT NULL DEFAULT '[]'::jsonb,
        ADD COLUMN hedged boolean NOT NULL DEFAULT false
"""
_OF_TENANT = "CREATE INDEX llm_calls_of_tenant ON llm_gateway.llm_calls (tenant_id, started_at)"
_OF_PRINCIPAL = """
    CREATE INDEX llm_calls_of_principal ON llm_gateway.llm_calls (tenant_id, principal_id, started_at)
"""


def upgrade() -> None:
    """Add the columns and the indexes of the sums by tenant and by principal; those by run are served already."""
    op.execute(_COLUMNS)
    op.execute(_OF_TENANT)
    op.execute(_OF_PRINCIPAL)
