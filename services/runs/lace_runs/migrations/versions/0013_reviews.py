"""What could not be decided, and who decided it."""

from __future__ import annotations

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0013"
down_revision = "0012"

SCHEMA = "runs"

TABLES = {
    # place, evidence, sources, judged: see lace_core.reviewing and lace_core.writing; what is looked for has columns
    "review_items": """
        tenant_id text NOT NULL, review_item_id text NOT NULL, artifact_id text NOT NULL, run_id text NOT NULL,
        node_id text NOT NULL, block_id text NOT NULL, node_title text NOT NULL, text text NOT NULL,
        verdict text NOT NULL CHECK (verdict IN ('supported', 'partially', 'contradicted', 'unsupported')),
        judged jsonb NOT NULL, place jsonb NOT NULL, evidence jsonb NOT NULL, sources jsonb NOT NULL,
        labels text[] NOT NULL,
        state text NOT NULL CHECK (state IN ('open', 'accepted', 'rejected', 'rewritten', 'superseded')),
        version int NOT NULL CHECK (version > 0), assignee text NOT NULL DEFAULT '',
        settled_by text NOT NULL DEFAULT '', settled_at timestamptz, reason text NOT NULL DEFAULT '',
        new_text text NOT NULL DEFAULT '', revision_id text NOT NULL DEFAULT '',
        created_by text NOT NULL, created_at timestamptz NOT NULL,
        CHECK ((state = 'open') = (settled_at IS NULL)),
        PRIMARY KEY (tenant_id, review_item_id)
    """,
    "review_events": """
        tenant_id text NOT NULL, review_item_id text NOT NULL, position int NOT NULL CHECK (position > 0),
        action text NOT NULL, actor text NOT NULL, at timestamptz NOT NULL, reason text NOT NULL, detail text NOT NULL,
        PRIMARY KEY (tenant_id, review_item_id, position)
    """,
}

INDEXES = (
    "CREATE INDEX review_items_by_time ON runs.review_items (tenant_id, created_at DESC, review_item_id DESC)",
    "CREATE INDEX review_items_open ON runs.review_items (tenant_id, artifact_id) WHERE state = 'open'",
    "CREATE INDEX review_items_of_run ON runs.review_items (tenant_id, run_id)",
)


def upgrade() -> None:
    """Make the tables, with row level security, and their indexes; verdicts name the rules that gave them."""
    for name, columns in TABLES.items():
        op.execute(f"CREATE TABLE {SCHEMA}.{name} ({columns})")
        protect_by_tenant(op, SCHEMA, name)
    # by which version of the rules: a reader of the document is told
    op.execute("ALTER TABLE runs.verdicts ADD COLUMN verifier text NOT NULL DEFAULT ''")
    for statement in INDEXES:
        op.execute(statement)


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
