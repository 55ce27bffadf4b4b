"""Tokens that could do everything there was can also decide reviews, for which there is a scope of its own now."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

_SCOPE = "reviews:write"
# Written out: what everything was before this revision does not change with the code.
_EVERYTHING = (
    "admin",
    "artifacts:read",
    "artifacts:write",
    "compile:write",
    "payloads:read",
    "provenance:read",
    "providers:read",
    "runs:read",
    "runs:write",
    "settings:read",
    "settings:write",
    "sources:read",
    "sources:write",
)


def upgrade() -> None:
    """Without it nobody could grant the scope: no one grants what he does not hold."""
    everything = ", ".join(f"'{scope}'" for scope in _EVERYTHING)
    op.execute(
        f"UPDATE control.service_tokens SET scopes = scopes || '{_SCOPE}'::text "
        f"WHERE scopes @> ARRAY[{everything}] AND NOT scopes @> ARRAY['{_SCOPE}']"
    )


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
