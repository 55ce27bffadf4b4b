"""Batches of template runs, and the evidence of searching that a replayed call must show again."""

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_EVIDENCE = "ALTER TABLE llm_gateway.llm_calls ADD COLUMN grounding jsonb"
# The runs themselves are rows of template_runs, by batch_id and batch_run_index.
_BATCHES = """
    CREATE TABLE llm_gateway.batches (
        tenant_id text NOT NULL,
        batch_id text NOT NULL,
        template_id text NOT NULL,
        template_sha256 text NOT NULL,
        state text NOT NULL CHECK (
            state IN ('queued', 'running', 'pausing', 'paused', 'completed', 'failed', 'cancelled')
        ),
        variables text NOT NULL,
        locales text[] NOT NULL,
        modes text[] NOT NULL,
        replicates integer NOT NULL CHECK (replicates > 0),
        drift_policy text NOT NULL CHECK (drift_policy IN ('pause', 'fail', 'continue')),
        execution_mode text NOT NULL CHECK (execution_mode IN ('sync', 'queue')),
        provider text NOT NULL,
        model text NOT NULL,
        locked_version text,
        locked_fingerprint text,
        locks integer NOT NULL DEFAULT 0 CHECK (locks >= 0),
        dispatch integer NOT NULL DEFAULT 1 CHECK (dispatch > 0),
        error_code text NOT NULL DEFAULT '',
        error_message text NOT NULL DEFAULT '',
        created_by text NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        holder text NOT NULL DEFAULT '',
        held_until timestamptz,
        PRIMARY KEY (tenant_id, batch_id),
        CHECK ((locked_version IS NULL) = (locked_fingerprint IS NULL))
    )
"""
_OF_TEMPLATE = """
    CREATE INDEX batches_of_template
    ON llm_gateway.batches (tenant_id, template_id, created_at DESC, batch_id DESC)
"""
# What no process may hold any more is looked for across tenants, often, and is nearly always nothing.
_LIVE = "CREATE INDEX batches_live ON llm_gateway.batches (held_until) WHERE state IN ('queued', 'running', 'pausing')"


def upgrade() -> None:
    """Create the table and its indexes."""
    op.execute(_EVIDENCE)
    op.execute(_BATCHES)
    op.execute(_OF_TEMPLATE)
    op.execute(_LIVE)
    protect_by_tenant(op, "llm_gateway", "batches")
