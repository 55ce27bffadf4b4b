"""The actions that made each revision, by their keys; documents of the second IR schema need no other tables.

Revisions of the first schema stay as they are: their rows are read, verified and migrated, never rewritten. Actions of
revisions from before this table are not known: what they made is told from other things by derived ids alone.
"""

from __future__ import annotations

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0016"
down_revision = "0015"

APPLIED_ACTIONS = """
    tenant_id text NOT NULL, artifact_id text NOT NULL, revision_id text NOT NULL, action_key text NOT NULL,
    action_hash text NOT NULL,
    PRIMARY KEY (tenant_id, artifact_id, revision_id, action_key)
"""


def upgrade() -> None:
    """Make the table, with row level security, and the index by which a key is found."""
    op.execute(f"CREATE TABLE runs.applied_actions ({APPLIED_ACTIONS})")
    protect_by_tenant(op, "runs", "applied_actions")
    op.execute("CREATE INDEX applied_actions_by_key ON runs.applied_actions (tenant_id, artifact_id, action_key)")


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
