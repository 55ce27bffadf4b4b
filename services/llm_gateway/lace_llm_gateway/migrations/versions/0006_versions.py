"""What providers last said of the versions of their models."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Without a tenant: a provider's list is the same for all who use the installation's key.
_VERSION_CACHE = """
    CREATE TABLE llm_gateway.provider_version_cache (
        provider text PRIMARY KEY,
        versions text[] NOT NULL,
        current text NOT NULL,
        last_checked_utc timestamptz NOT NULL,
        expires_at_utc timestamptz NOT NULL,
        etag text NOT NULL,
        source text NOT NULL CHECK (source IN ('live', 'cache')),
        CHECK (expires_at_utc >= last_checked_utc)
    )
"""


def upgrade() -> None:
    """Create the cache of versions."""
    op.execute(_VERSION_CACHE)
