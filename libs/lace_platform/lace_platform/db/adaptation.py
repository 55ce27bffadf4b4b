"""How Python values travel to Postgres and back, the same on every connection."""

from __future__ import annotations

from typing import Any

import orjson
from psycopg import AsyncConnection
from psycopg.types.json import JsonbDumper, set_json_dumps, set_json_loads


def adapt(connection: AsyncConnection[Any]) -> None:
    """Dicts go out as jsonb, json and jsonb come back decoded, by orjson in both directions."""
    connection.adapters.register_dumper(dict, JsonbDumper)
    set_json_dumps(orjson.dumps, connection)
    set_json_loads(orjson.loads, connection)
