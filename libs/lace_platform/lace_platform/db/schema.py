"""DDL that every service's first migration runs: the infrastructure tables and the tenant's row policies."""

from __future__ import annotations

from typing import Protocol


class Operations(Protocol):
    """The part of `alembic.op` that is used here."""

    def execute(self, sqltext: str, /) -> None:
        """Run one statement in the migration's transaction."""


# Frozen: a change of these tables is a new revision of every service, never an edit here. A test compares the
# outcome with db/tables.py.
_INFRASTRUCTURE = (
    """
    CREATE TABLE {schema}.outbox_events (
        position bigint GENERATED ALWAYS AS IDENTITY,
        id text PRIMARY KEY,
        tenant_id text NOT NULL,
        topic text NOT NULL,
        key text NOT NULL,
        payload_json json NOT NULL,
        schema_version integer NOT NULL DEFAULT 1,
        headers_json jsonb NOT NULL DEFAULT '{{}}'::jsonb,
        status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'published')),
        publish_attempts integer NOT NULL DEFAULT 0,
        last_error text,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        published_at timestamptz
    )
    """,
    "CREATE INDEX outbox_events_pending ON {schema}.outbox_events (position) WHERE status = 'pending'",
    "CREATE INDEX outbox_events_published ON {schema}.outbox_events (published_at) WHERE status = 'published'",
    """
    CREATE TABLE {schema}.job_executions (
        tenant_id text,
        event_id text,
        handler text,
        handler_version integer NOT NULL,
        topic text NOT NULL,
        executed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (tenant_id, event_id, handler)
    )
    """,
    "CREATE INDEX job_executions_executed ON {schema}.job_executions (executed_at)",
    """
    CREATE TABLE {schema}.idempotency_keys (
        tenant_id text,
        route text,
        key text,
        principal_id text NOT NULL,
        request_hash text NOT NULL,
        request_json bytea,
        response bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, route, key)
    )
    """,
    "CREATE INDEX idempotency_keys_expiry ON {schema}.idempotency_keys (expires_at)",
)

_TENANT_POLICY = (
    "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
    # Also for the owner, so that no login but a superuser's reads across tenants by mistake.
    "ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
    # current_setting is null or empty where the transaction named no tenant: then no row matches.
    "CREATE POLICY tenant_only ON {table} TO lace_{schema}"
    " USING (tenant_id = current_setting('lace.tenant_id', true))"
    " WITH CHECK (tenant_id = current_setting('lace.tenant_id', true))",
    "CREATE POLICY every_tenant ON {table} TO lace_{schema}_system USING (true) WITH CHECK (true)",
)


def create_infrastructure(op: Operations, schema: str) -> None:
    """Create outbox_events, job_executions and idempotency_keys, each under the tenant's row policy."""
    for statement in _INFRASTRUCTURE:
        op.execute(statement.format(schema=schema))
    for table in ("outbox_events", "job_executions", "idempotency_keys"):
        protect_by_tenant(op, schema, table)


def protect_by_tenant(op: Operations, schema: str, table: str) -> None:
    """Let the service's role see only the rows of its transaction's tenant; the table has a column tenant_id."""
    for statement in _TENANT_POLICY:
        op.execute(statement.format(schema=schema, table=f"{schema}.{table}"))
