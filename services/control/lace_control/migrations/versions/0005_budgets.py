"""What a tenant and its principals may spend in a day and a month."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

# Tokens, and millionths of a US dollar; 0 is no limit.
_LIMITS = (
    "tokens_per_day",
    "tokens_per_month",
    "micro_usd_per_day",
    "micro_usd_per_month",
    "principal_tokens_per_day",
    "principal_tokens_per_month",
    "principal_micro_usd_per_day",
    "principal_micro_usd_per_month",
)


def upgrade() -> None:
    """Add the limits; tenants that have quotas have none of these."""
    for name in _LIMITS:
        op.execute(f"ALTER TABLE control.tenant_quotas ADD COLUMN {name} bigint NOT NULL DEFAULT 0 CHECK ({name} >= 0)")


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
