"""Alembic's entry into provenance's history."""

from lace_platform.db.migrations import run_env
from lace_provenance.adapters.tables import METADATA

run_env("provenance", METADATA)
