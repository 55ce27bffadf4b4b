"""What of the schema `llm_gateway` is described in Python; its own table is SQL, in the migration and the queries."""

from __future__ import annotations

from sqlalchemy import MetaData

from lace_platform.db.tables import infrastructure_tables

SCHEMA = "llm_gateway"
METADATA = MetaData()
INFRASTRUCTURE = infrastructure_tables(METADATA, SCHEMA)
