"""Alembic's entry into the bus's history."""

from sqlalchemy import MetaData

from lace_platform.db.migrations import run_env

run_env("bus", MetaData())
