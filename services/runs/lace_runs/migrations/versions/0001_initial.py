"""Artifacts, revisions and runs, with the infrastructure tables."""

from __future__ import annotations

from alembic import op

from lace_platform.db.migrations import create_infrastructure, protect_by_tenant

revision = "0001"
down_revision = None

SCHEMA = "runs"

TABLES = {
    "artifacts": """
        tenant_id text NOT NULL, artifact_id text NOT NULL, title text NOT NULL, language text NOT NULL,
        head_revision_id text, created_by text NOT NULL,
        created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, artifact_id)
    """,
    # nodes: [[node_id, parent_id, order_key, node_hash], …] in document order; node versions are shared by revisions
    "artifact_revisions": """
        tenant_id text NOT NULL, artifact_id text NOT NULL, revision_id text NOT NULL, parent_revision_id text,
        status text NOT NULL CHECK (status IN ('staged', 'validated', 'committed')),
        ir_schema_version int NOT NULL, ir_hash text NOT NULL, content_hash text NOT NULL, ir_uri text NOT NULL,
        title text NOT NULL, language text NOT NULL, sources jsonb NOT NULL, nodes jsonb NOT NULL,
        run_id text NOT NULL, created_by text NOT NULL, created_at timestamptz NOT NULL, committed_at timestamptz,
        PRIMARY KEY (tenant_id, artifact_id, revision_id)
    """,
    # one row for each version of a node, never changed; body holds the node without its blocks and place
    "artifact_nodes": """
        tenant_id text NOT NULL, artifact_id text NOT NULL, node_id text NOT NULL, node_hash text NOT NULL,
        title text NOT NULL, state text NOT NULL, body jsonb NOT NULL,
        PRIMARY KEY (tenant_id, artifact_id, node_id, node_hash)
    """,
    "artifact_blocks": """
        tenant_id text NOT NULL, artifact_id text NOT NULL, node_id text NOT NULL, node_hash text NOT NULL,
        position int NOT NULL, block_id text NOT NULL, block_type text NOT NULL, block_hash text NOT NULL,
        body jsonb NOT NULL,
        PRIMARY KEY (tenant_id, artifact_id, node_id, node_hash, position)
    """,
    "evidence": """
        tenant_id text NOT NULL, artifact_id text NOT NULL, evidence_id text NOT NULL, source_id text NOT NULL,
        source_version text NOT NULL, unit_id text NOT NULL, span_start int NOT NULL, span_end int NOT NULL,
        quote text NOT NULL, quote_hash text NOT NULL, body jsonb NOT NULL,
        PRIMARY KEY (tenant_id, artifact_id, evidence_id)
    """,
    "verdicts": """
        tenant_id text NOT NULL, artifact_id text NOT NULL, revision_id text NOT NULL, sentence_id text NOT NULL,
        node_id text NOT NULL, run_id text NOT NULL, position int NOT NULL, text text NOT NULL, verdict text NOT NULL,
        reasons jsonb NOT NULL, in_document boolean NOT NULL,
        PRIMARY KEY (tenant_id, artifact_id, revision_id, sentence_id)
    """,
    "change_events": """
        tenant_id text NOT NULL, artifact_id text NOT NULL, revision_id text NOT NULL, position int NOT NULL,
        subject_id text NOT NULL, change text NOT NULL, before_hash text NOT NULL, after_hash text NOT NULL,
        action_key text NOT NULL, run_id text NOT NULL,
        PRIMARY KEY (tenant_id, artifact_id, revision_id, position)
    """,
    "artifact_locks": """
        tenant_id text NOT NULL, artifact_id text NOT NULL, lock_owner text NOT NULL, lock_type text NOT NULL,
        acquired_at timestamptz NOT NULL, heartbeat_at timestamptz NOT NULL, expires_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, artifact_id)
    """,
    "runs": """
        tenant_id text NOT NULL, run_id text NOT NULL, pipeline_id text NOT NULL, pipeline_version int NOT NULL,
        state text NOT NULL, request jsonb NOT NULL, artifact_id text NOT NULL, revision_id text NOT NULL DEFAULT '',
        requested_by text NOT NULL, settings jsonb NOT NULL, effective_settings_hash text NOT NULL,
        settings_uri text NOT NULL, scopes jsonb NOT NULL, labels jsonb NOT NULL,
        request_id text NOT NULL, correlation_id text NOT NULL, idempotency_key text NOT NULL,
        traceparent text NOT NULL, worker_id text, epoch bigint NOT NULL DEFAULT 0, attempt int NOT NULL DEFAULT 1,
        next_sequence bigint NOT NULL DEFAULT 1, last_boundary text NOT NULL DEFAULT '',
        steps_done int NOT NULL DEFAULT 0, steps_total int NOT NULL DEFAULT 0,
        error_code text NOT NULL DEFAULT '', error_message text NOT NULL DEFAULT '',
        restarted_from_run_id text NOT NULL DEFAULT '', result jsonb, warnings jsonb NOT NULL DEFAULT '[]',
        created_at timestamptz NOT NULL, started_at timestamptz, ended_at timestamptz,
        PRIMARY KEY (tenant_id, run_id), UNIQUE (run_id)
    """,
    "step_runs": """
        tenant_id text NOT NULL, run_id text NOT NULL, step_id text NOT NULL, attempt int NOT NULL,
        position bigint NOT NULL GENERATED ALWAYS AS IDENTITY, step text NOT NULL, node_id text NOT NULL,
        status text NOT NULL, started_at timestamptz NOT NULL, ended_at timestamptz,
        output_hash text NOT NULL, output_uri text NOT NULL, metrics jsonb NOT NULL,
        error_code text NOT NULL, error_message text NOT NULL, summary text NOT NULL,
        PRIMARY KEY (tenant_id, run_id, step_id, attempt)
    """,
    # data: canonical JSON kept as text, so that its hash can be computed again from the stored bytes
    "run_checkpoints": """
        tenant_id text NOT NULL, run_id text NOT NULL, step_id text NOT NULL, output_type text NOT NULL,
        output_hash text NOT NULL, data text NOT NULL, uri text NOT NULL, created_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, run_id, step_id)
    """,
    "run_control_commands": """
        tenant_id text NOT NULL, run_id text NOT NULL, command_id text NOT NULL,
        position bigint NOT NULL GENERATED ALWAYS AS IDENTITY, command text NOT NULL, requested_by text NOT NULL,
        reason text NOT NULL, from_step_id text NOT NULL, created_at timestamptz NOT NULL, applied_at timestamptz,
        outcome text NOT NULL DEFAULT '',
        PRIMARY KEY (tenant_id, run_id, command_id)
    """,
    "run_events": """
        tenant_id text NOT NULL, run_id text NOT NULL, sequence bigint NOT NULL, event_id text NOT NULL,
        event_type text NOT NULL, occurred_at timestamptz NOT NULL, status text NOT NULL, step_id text NOT NULL,
        attempt int NOT NULL, progress_pct double precision NOT NULL, payload_json jsonb NOT NULL,
        redaction_level text NOT NULL, content_hash text NOT NULL, content_uri text NOT NULL,
        schema_version int NOT NULL, payload_schema_version int NOT NULL,
        PRIMARY KEY (run_id, sequence)
    """,
    "run_jobs": """
        tenant_id text NOT NULL, run_id text NOT NULL, job_id text NOT NULL, step_id text NOT NULL,
        topic text NOT NULL, payload jsonb NOT NULL, sent_at timestamptz NOT NULL, result jsonb, done_at timestamptz,
        PRIMARY KEY (tenant_id, run_id, job_id)
    """,
}

INDEXES = (
    "CREATE INDEX runs_active ON runs.runs (created_at) WHERE state IN ('queued', 'running', 'pausing', 'resuming')",
    "CREATE INDEX runs_by_time ON runs.runs (tenant_id, created_at DESC, run_id)",
    "CREATE INDEX artifacts_by_time ON runs.artifacts (tenant_id, created_at DESC, artifact_id)",
    "CREATE INDEX commands_open ON runs.run_control_commands (run_id, position) WHERE applied_at IS NULL",
    "CREATE INDEX step_runs_by_position ON runs.step_runs (tenant_id, run_id, position)",
)


def upgrade() -> None:
    """Make the tables, their row level security and the lease table, which belongs to no tenant."""
    create_infrastructure(op, SCHEMA)
    for name, columns in TABLES.items():
        op.execute(f"CREATE TABLE {SCHEMA}.{name} ({columns})")
        protect_by_tenant(op, SCHEMA, name)
    for statement in INDEXES:
        op.execute(statement)
    op.execute(
        "CREATE TABLE runs.workers (worker_id text PRIMARY KEY, started_at timestamptz NOT NULL, "
        "heartbeat_at timestamptz NOT NULL, expires_at timestamptz NOT NULL)"
    )
    op.execute("REVOKE ALL ON runs.workers FROM lace_runs")


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
