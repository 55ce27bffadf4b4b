"""The infrastructure tables of the schema runs; its own tables are spoken to by named SQL."""

from sqlalchemy import MetaData

from lace_platform.db.tables import infrastructure_tables

SCHEMA = "runs"
METADATA = MetaData(schema=SCHEMA)
INFRASTRUCTURE = infrastructure_tables(METADATA, SCHEMA)
