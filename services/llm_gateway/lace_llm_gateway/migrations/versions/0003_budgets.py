"""What tenants and principals spent in a day and a month, and what processes hold of their budgets."""

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# A row for the tenant as a whole has an empty principal; `leased` is what leases hold beyond what is spent.
_COUNTERS = """
    CREATE TABLE llm_gateway.budget_counters (
        tenant_id text NOT NULL,
        principal_id text NOT NULL,
        period text NOT NULL CHECK (period IN ('day', 'month')),
        starts_on date NOT NULL,
        spent_tokens bigint NOT NULL DEFAULT 0,
        spent_micro_usd bigint NOT NULL DEFAULT 0,
        leased_tokens bigint NOT NULL DEFAULT 0 CHECK (leased_tokens >= 0),
        leased_micro_usd bigint NOT NULL DEFAULT 0 CHECK (leased_micro_usd >= 0),
        PRIMARY KEY (tenant_id, principal_id, period, starts_on)
    )
"""
_LEASES = """
    CREATE TABLE llm_gateway.budget_leases (
        tenant_id text NOT NULL,
        lease_id text NOT NULL,
        process_id text NOT NULL,
        principal_id text NOT NULL,
        day date NOT NULL,
        granted_tokens bigint NOT NULL,
        granted_micro_usd bigint NOT NULL,
        used_tokens bigint NOT NULL,
        used_micro_usd bigint NOT NULL,
        returned_tokens bigint NOT NULL,
        returned_micro_usd bigint NOT NULL,
        begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, lease_id)
    )
"""
_BY_PROCESS = "CREATE INDEX budget_leases_of_process ON llm_gateway.budget_leases (process_id)"
_BY_EXPIRY = "CREATE INDEX budget_leases_expiry ON llm_gateway.budget_leases (expires_at)"
# The limits as control told them last to any process: they hold while control is away.
_LIMITS = """
    CREATE TABLE llm_gateway.budget_limits (
        tenant_id text PRIMARY KEY,
        limits jsonb NOT NULL,
        version bigint NOT NULL CHECK (version > 0)
    )
"""
# A call that was never settled is taken to have used what it reserved.
_CALLS = """
    ALTER TABLE llm_gateway.llm_calls
        ADD COLUMN budget_lease text NOT NULL DEFAULT '',
        ADD COLUMN reserved_tokens bigint NOT NULL DEFAULT 0,
        ADD COLUMN reserved_micro_usd bigint NOT NULL DEFAULT 0
"""


def upgrade() -> None:
    """Add the tables, and to each call what it held of a budget."""
    for statement in (_COUNTERS, _LEASES, _BY_PROCESS, _BY_EXPIRY, _LIMITS, _CALLS):
        op.execute(statement)
    for table in ("budget_counters", "budget_leases", "budget_limits"):
        protect_by_tenant(op, "llm_gateway", table)
