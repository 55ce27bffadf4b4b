"""What each layer of the verification found of a sentence."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"

# Rows from before keep empty layers and grounds. `grounds` names a text over its quotes: by it a sentence that stood
# in a committed revision of its document is found again. `standing` is empty where a sentence was kept out.
STATEMENTS: tuple[str, ...] = (
    """ALTER TABLE runs.verdicts ADD COLUMN layers jsonb NOT NULL DEFAULT '[]',
       ADD COLUMN grounds text NOT NULL DEFAULT '', ADD COLUMN standing text NOT NULL DEFAULT '',
       ADD COLUMN acceptance jsonb""",
    "UPDATE runs.verdicts SET standing = 'verified' WHERE in_document",
    """CREATE INDEX verdicts_by_grounds ON runs.verdicts (tenant_id, artifact_id, grounds, revision_id)
       WHERE in_document""",
)


def upgrade() -> None:
    """Make what is missing."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
