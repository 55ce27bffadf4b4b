"""Named SQL text, parsed once: `:name` parameters for SQLAlchemy and for psycopg alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import TextClause, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]
_PLACE = re.compile(r"%%|%\((\w+)\)s")


@lru_cache(maxsize=1024)
def named(sql: str) -> TextClause:
    """The SQL as a SQLAlchemy text clause; the same object each time, so that its compiled form is cached."""
    return text(sql)


@lru_cache(maxsize=256)
def for_psycopg(sql: str) -> str:
    """The SQL with psycopg's `%(name)s` in place of `:name`, and literal percent signs doubled."""
    return str(named(sql).compile(dialect=_DIALECT))


@lru_cache(maxsize=1024)
def for_server(sql: str) -> tuple[bytes, Sequence[str]]:
    """The SQL as the server takes it, with `$1`, `$2`, … in place of `:name`, and the names in that order."""
    names: dict[str, int] = {}

    def place(found: re.Match[str]) -> str:
        name = found.group(1)
        return "%" if name is None else f"${names.setdefault(name, len(names) + 1)}"

    return _PLACE.sub(place, for_psycopg(sql)).encode(), tuple(names)
