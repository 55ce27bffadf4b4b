"""Transformation logs, the entities that they name, and the edges between them."""

from alembic import op

from lace_platform.db.migrations import create_infrastructure, protect_by_tenant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE provenance.transformation_logs (
        tenant_id text NOT NULL,
        id text NOT NULL,
        run_id text NOT NULL,
        stage text NOT NULL,
        activity_name text NOT NULL,
        started_at timestamptz NOT NULL,
        ended_at timestamptz NOT NULL,
        agent text NOT NULL,
        on_behalf_of text NOT NULL,
        trace_id text NOT NULL,
        span_id text NOT NULL,
        parent_span_id text NOT NULL,
        inputs_json jsonb NOT NULL,
        outputs_json jsonb NOT NULL,
        lineage_json jsonb NOT NULL,
        provenance_json jsonb NOT NULL,
        pedigree_json jsonb NOT NULL,
        security_json jsonb NOT NULL,
        abac_labels text[] NOT NULL,
        retention_policy_id text NOT NULL,
        retention_not_after timestamptz,
        genai_json jsonb,
        governance_json jsonb NOT NULL,
        correlation_id text NOT NULL,
        schema_version integer NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (tenant_id, id)
    )
    """,
    "CREATE INDEX transformation_logs_of_run ON provenance.transformation_logs (tenant_id, run_id, ended_at, id)",
    """
    CREATE TABLE provenance.entities (
        tenant_id text NOT NULL,
        entity_id text NOT NULL,
        content_hash text NOT NULL,
        uri text NOT NULL,
        kind text NOT NULL,
        first_seen_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, entity_id, content_hash)
    )
    """,
    """
    CREATE TABLE provenance.edges (
        tenant_id text NOT NULL,
        log_id text NOT NULL,
        direction text NOT NULL CHECK (direction IN ('used', 'generated', 'derived_from')),
        entity_id text NOT NULL,
        content_hash text NOT NULL,
        PRIMARY KEY (tenant_id, log_id, direction, entity_id, content_hash),
        FOREIGN KEY (tenant_id, log_id) REFERENCES provenance.transformation_logs
    )
    """,
    "CREATE INDEX edges_of_entity ON provenance.edges (tenant_id, entity_id, direction, log_id)",
)

_RIGHTS = (
    # A record of what happened is added to, not changed; the time that an entity was first seen may move back, since
    # logs come in any order.
    "REVOKE UPDATE, DELETE ON provenance.transformation_logs, provenance.edges FROM lace_provenance",
    "REVOKE UPDATE, DELETE ON provenance.entities FROM lace_provenance",
    "GRANT UPDATE (first_seen_at) ON provenance.entities TO lace_provenance",
    "REVOKE UPDATE ON provenance.transformation_logs, provenance.edges FROM lace_provenance_system",
)


def upgrade() -> None:
    """Create the schema's tables."""
    create_infrastructure(op, "provenance")
    for statement in _TABLES:
        op.execute(statement)
    for table in ("transformation_logs", "entities", "edges"):
        protect_by_tenant(op, "provenance", table)
    for statement in _RIGHTS:
        op.execute(statement)
