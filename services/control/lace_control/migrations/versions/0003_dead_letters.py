"""Messages that no consumer could handle."""

from __future__ import annotations

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0003"
down_revision = "0002"

_TABLE = """
    CREATE TABLE control.dead_letters (
        dead_letter_id text PRIMARY KEY,
        tenant_id text NOT NULL,
        topic text NOT NULL,
        key text NOT NULL,
        group_name text NOT NULL,
        event_id text NOT NULL,
        schema_version integer NOT NULL,
        payload text NOT NULL,
        headers_json jsonb NOT NULL,
        error_code text NOT NULL,
        error_message text NOT NULL,
        attempts integer NOT NULL,
        created_at timestamptz NOT NULL,
        died_at timestamptz NOT NULL,
        redrive_of text NOT NULL,
        state text NOT NULL CHECK (state IN ('dead', 'redriven', 'discarded')),
        settled_at timestamptz,
        settled_by text NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CHECK ((state = 'dead') = (settled_at IS NULL))
    )
"""
_INDEXES = (
    "CREATE INDEX dead_letters_by_time ON control.dead_letters (died_at DESC, dead_letter_id DESC)",
    "CREATE INDEX dead_letters_of_tenant ON control.dead_letters (tenant_id, died_at DESC, dead_letter_id DESC)",
)


def upgrade() -> None:
    """Add the table; what became of a letter may be written, the letter itself may not go."""
    op.execute(_TABLE)
    for statement in _INDEXES:
        op.execute(statement)
    protect_by_tenant(op, "control", "dead_letters")
    op.execute("REVOKE DELETE ON control.dead_letters FROM lace_control, lace_control_system")


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
