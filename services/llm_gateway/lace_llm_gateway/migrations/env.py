"""Alembic's entry into the model gateway's history."""

from lace_llm_gateway.adapters.tables import METADATA
from lace_platform.db.migrations import run_env

run_env("llm_gateway", METADATA)
