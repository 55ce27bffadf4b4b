"""Alembic's entry into ingest's history."""

from lace_ingest.adapters.tables import METADATA
from lace_platform.db.migrations import run_env

run_env("ingest", METADATA)
