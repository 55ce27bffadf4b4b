"""Organisation rules as versions."""

from __future__ import annotations

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0014"
down_revision = "0013"

TABLES = {
    # text: the YAML as it was written; extends: name@version of the parent, held to when the version came
    "policies": """
        tenant_id text NOT NULL, name text NOT NULL, version int NOT NULL CHECK (version > 0), sha256 text NOT NULL,
        text text NOT NULL, description text NOT NULL, extends text NOT NULL, created_by text NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, name, version)
    """,
    # which version holds from when; the one that is effective last counts, and of two the one that was decided last
    "policy_activations": """
        tenant_id text NOT NULL, activation_id text NOT NULL, position bigint GENERATED ALWAYS AS IDENTITY,
        name text NOT NULL, version int NOT NULL, sha256 text NOT NULL, effective_at timestamptz NOT NULL,
        activated_by text NOT NULL, activated_at timestamptz NOT NULL, reason text NOT NULL,
        PRIMARY KEY (tenant_id, activation_id)
    """,
}

INDEXES = (
    "CREATE INDEX policy_activations_by_time ON runs.policy_activations (tenant_id, effective_at DESC, position DESC)",
)


def upgrade() -> None:
    """Make the tables, with row level security."""
    for name, columns in TABLES.items():
        op.execute(f"CREATE TABLE runs.{name} ({columns})")
        protect_by_tenant(op, "runs", name)
    for statement in INDEXES:
        op.execute(statement)


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
