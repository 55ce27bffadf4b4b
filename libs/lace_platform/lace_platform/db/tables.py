"""The three infrastructure tables that every service's schema holds, as SQLAlchemy Core tables."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

_TIME = DateTime(timezone=True)


@dataclass(frozen=True)
class InfrastructureTables:
    """One service's outbox, record of handled messages, and record of answered requests."""

    outbox_events: Table
    job_executions: Table
    idempotency_keys: Table


def infrastructure_tables(metadata: MetaData, schema: str) -> InfrastructureTables:
    """Define the three tables of a schema in the metadata; their DDL is `create_infrastructure`'s."""
    return InfrastructureTables(
        outbox_events=_outbox_events(metadata, schema),
        job_executions=_job_executions(metadata, schema),
        idempotency_keys=_idempotency_keys(metadata, schema),
    )


def _outbox_events(metadata: MetaData, schema: str) -> Table:
    return Table(
        "outbox_events",
        metadata,
        # Beside the eleven columns of the contract: the order of insertion, which no clock gives, and the headers
        # that travel beside the payload (trace context, correlation id).
        Column("position", BigInteger, Identity(always=True), nullable=False),
        Column("id", Text, primary_key=True),
        Column("tenant_id", Text, nullable=False),
        Column("topic", Text, nullable=False),
        Column("key", Text, nullable=False),
        # json, not jsonb: consumers hash the payload, so its bytes stay as they were written.
        Column("payload_json", JSON, nullable=False),
        Column("schema_version", Integer, nullable=False, server_default=text("1")),
        Column("headers_json", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
        Column("status", Text, nullable=False, server_default=text("'pending'")),
        Column("publish_attempts", Integer, nullable=False, server_default=text("0")),
        Column("last_error", Text),
        Column("created_at", _TIME, nullable=False, server_default=text("clock_timestamp()")),
        Column("published_at", _TIME),
        CheckConstraint("status IN ('pending', 'published')", name="outbox_events_status_check"),
        Index("outbox_events_pending", "position", postgresql_where=text("status = 'pending'")),
        Index("outbox_events_published", "published_at", postgresql_where=text("status = 'published'")),
        schema=schema,
    )


def _job_executions(metadata: MetaData, schema: str) -> Table:
    return Table(
        "job_executions",
        metadata,
        Column("tenant_id", Text, primary_key=True),
        Column("event_id", Text, primary_key=True),
        Column("handler", Text, primary_key=True),
        # Recorded, not part of the key: a new version of a handler does not do old work again.
        Column("handler_version", Integer, nullable=False),
        Column("topic", Text, nullable=False),
        Column("executed_at", _TIME, nullable=False, server_default=text("clock_timestamp()")),
        Index("job_executions_executed", "executed_at"),
        schema=schema,
    )


def _idempotency_keys(metadata: MetaData, schema: str) -> Table:
    return Table(
        "idempotency_keys",
        metadata,
        Column("tenant_id", Text, primary_key=True),
        Column("route", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("principal_id", Text, nullable=False),
        Column("request_hash", Text, nullable=False),
        # Kept for the difference shown to who uses the key again; null where the request is too large to keep.
        Column("request_json", LargeBinary),
        Column("response", LargeBinary, nullable=False),
        Column("created_at", _TIME, nullable=False, server_default=text("clock_timestamp()")),
        Column("expires_at", _TIME, nullable=False),
        Index("idempotency_keys_expiry", "expires_at"),
        schema=schema,
    )
