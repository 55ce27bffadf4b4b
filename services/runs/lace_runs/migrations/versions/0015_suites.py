"""Test suites of documents, their results, and publications."""

from __future__ import annotations

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0015"
down_revision = "0014"

SCHEMA = "runs"

TABLES = {
    # one row for each version, never changed; text: what was given, of which sha256 is the hash
    "suites": """
        tenant_id text NOT NULL, name text NOT NULL, version int NOT NULL, sha256 text NOT NULL, text text NOT NULL,
        description text NOT NULL, check_count int NOT NULL, created_by text NOT NULL, created_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, name, version)
    """,
    # result: lace_core's SuiteResult as JSON
    "document_tests": """
        tenant_id text NOT NULL, test_id text NOT NULL, artifact_id text NOT NULL, revision_id text NOT NULL,
        suite text NOT NULL, suite_version int NOT NULL, suite_sha256 text NOT NULL,
        status text NOT NULL CHECK (status IN ('passed', 'failed', 'skipped')),
        passed int NOT NULL, failed int NOT NULL, skipped int NOT NULL, errors int NOT NULL, result jsonb NOT NULL,
        created_by text NOT NULL, created_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, test_id)
    """,
    "publications": """
        tenant_id text NOT NULL, publication_id text NOT NULL, artifact_id text NOT NULL, revision_id text NOT NULL,
        published_by text NOT NULL, published_at timestamptz NOT NULL, policy text NOT NULL,
        policy_sha256 text NOT NULL, test_ids text[] NOT NULL, note text NOT NULL,
        withdrawn_by text NOT NULL DEFAULT '', withdrawn_at timestamptz, withdrawn_reason text NOT NULL DEFAULT '',
        PRIMARY KEY (tenant_id, publication_id)
    """,
}

INDEXES = (
    "CREATE INDEX document_tests_by_time ON runs.document_tests (tenant_id, artifact_id, created_at DESC, test_id)",
    "CREATE INDEX publications_by_time ON runs.publications "
    "(tenant_id, artifact_id, published_at DESC, publication_id DESC)",
    # Of two who publish one revision at once, one finds the other's.
    "CREATE UNIQUE INDEX publications_standing ON runs.publications (tenant_id, artifact_id, revision_id) "
    "WHERE withdrawn_at IS NULL",
)


def upgrade() -> None:
    """Make the tables, their row level security and their indexes."""
    for name, columns in TABLES.items():
        op.execute(f"CREATE TABLE {SCHEMA}.{name} ({columns})")
        protect_by_tenant(op, SCHEMA, name)
    for statement in INDEXES:
        op.execute(statement)


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
