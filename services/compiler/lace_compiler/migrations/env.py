"""Alembic's entry into the compiler's history."""

from lace_compiler.adapters.tables import METADATA
from lace_platform.db.migrations import run_env

run_env("compiler", METADATA)
