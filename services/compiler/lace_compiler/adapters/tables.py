"""What of the schema `compiler` is described in Python; its own table is SQL, in the migration and the queries."""

from __future__ import annotations

from sqlalchemy import MetaData

from lace_platform.db.tables import infrastructure_tables

SCHEMA = "compiler"
METADATA = MetaData()
INFRASTRUCTURE = infrastructure_tables(METADATA, SCHEMA)
