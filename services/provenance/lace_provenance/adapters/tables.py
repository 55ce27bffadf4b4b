"""What of the schema `provenance` is described in Python; its own tables are SQL, in the migrations and the queries."""

from __future__ import annotations

from sqlalchemy import MetaData

from lace_platform.db.tables import infrastructure_tables

SCHEMA = "provenance"
METADATA = MetaData()
INFRASTRUCTURE = infrastructure_tables(METADATA, SCHEMA)
