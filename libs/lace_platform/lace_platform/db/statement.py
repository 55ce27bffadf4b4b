"""Named SQL text, parsed once: `:name` parameters for SQLAlchemy and for psycopg alike."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import TextClause, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]


@lru_cache(maxsize=1024)
def named(sql: str) -> TextClause:
    """The SQL as a SQLAlchemy text clause; the same object each time, so that its compiled form is cached."""
    return text(sql)


@lru_cache(maxsize=256)
def for_psycopg(sql: str) -> str:
    """The SQL with psycopg's `%(name)s` in place of `:name`, and literal percent signs doubled."""
    return str(named(sql).compile(dialect=_DIALECT))
