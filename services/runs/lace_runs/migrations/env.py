"""Alembic's entry into the history of the schema runs."""

from lace_platform.db.migrations import run_env
from lace_runs.adapters.tables import METADATA

run_env("runs", METADATA)
