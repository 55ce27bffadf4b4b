"""The tables of templates as SQLAlchemy Core sees them: one description for Postgres and for SQLite in development."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect

from lace_llm_gateway.adapters.tables import METADATA, SCHEMA


class UtcTime(TypeDecorator[datetime]):
    """A time in UTC; SQLite, which knows no time zones, keeps it without and gives it back with."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        if value is None:
            return None
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        found: datetime = value
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


TEMPLATES = Table(
    "templates",
    METADATA,
    Column("tenant_id", Text, primary_key=True),
    Column("template_id", Text, primary_key=True),
    *map(_text, ("template_sha256", "name", "version", "content")),
    Column("created_at", UtcTime, nullable=False),
    *map(_text, ("created_by", "hmac_key_id", "record_hmac")),
    UniqueConstraint("tenant_id", "template_sha256", name="templates_hash"),
    UniqueConstraint("tenant_id", "name", "version", name="templates_version"),
    schema=SCHEMA,
)

TEMPLATE_RUNS = Table(
    "template_runs",
    METADATA,
    Column("tenant_id", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    *map(_text, ("template_id", "template_name", "template_version", "template_sha256", "state")),
    Column("created_at", UtcTime, nullable=False),
    *map(_text, ("created_by", "variables", "locale", "grounding", "batch_id")),
    Column("batch_run_index", Integer, nullable=False),
    Column("replicate_index", Integer, nullable=False),
    *map(_text, ("provoker_value", "seed_key_id", "als_variant_id", "als_block_text", "als_block_sha256")),
    *map(_text, ("provider", "requested_model", "resolved_model", "answered_model", "fingerprint", "response_api")),
    _text("input_hash"),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_micro_usd", BigInteger, nullable=False),
    _text("call_id"),
    Column("step2_tools_invoked", Boolean),
    *map(_text, ("step2_source_ref", "output", "response_output_sha256")),
    Column("output_json_valid", Boolean),
    Column("grounded", Boolean, nullable=False),
    *map(_text, ("why_not_grounded", "error_code", "error_message")),
    Column("ended_at", UtcTime),
    Index("template_runs_of_template", "tenant_id", "template_id", text("created_at DESC"), text("run_id DESC")),
    Index(
        "template_runs_output",
        "tenant_id",
        "response_output_sha256",
        postgresql_where=text("response_output_sha256 <> ''"),
        sqlite_where=text("response_output_sha256 <> ''"),
    ),
    Index(
        "template_runs_of_batch",
        "tenant_id",
        "batch_id",
        "batch_run_index",
        unique=True,
        postgresql_where=text("batch_id <> ''"),
        sqlite_where=text("batch_id <> ''"),
    ),
    schema=SCHEMA,
)
