"""Alembic's entry into control's history."""

from lace_control.adapters.tables import METADATA
from lace_platform.db.migrations import run_env

run_env("control", METADATA)
