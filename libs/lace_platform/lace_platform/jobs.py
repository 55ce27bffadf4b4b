"""Handlers of bus messages take effect once, however often a message is delivered."""

from __future__ import annotations

from collections.abc import Mapping, Set

from lace_platform.bus import Envelope
from lace_platform.db.tables import InfrastructureTables
from lace_platform.db.transaction import Transaction

# Every session's search_path is its service's schema (db/database.py), so the statement need not name it. Sorted, so
# that handlers with messages in common wait for one another and never in a circle.
_CLAIM = """
    INSERT INTO job_executions (tenant_id, event_id, handler, handler_version, topic)
    SELECT :tenant_id, event_id, :handler, :version, topic
    FROM unnest(CAST(:ids AS text[]), CAST(:topics AS text[])) AS delivered (event_id, topic)
    ORDER BY event_id
    ON CONFLICT DO NOTHING
    RETURNING event_id
"""


async def handle_once(
    tx: Transaction, tables: InfrastructureTables, envelope: Envelope, handler_name: str, version: int
) -> bool:
    """Claim the message for a handler in the transaction of its effect; False means that the effect is there.

    A second delivery that arrives while the first is under way waits for it, then is told False, or True where
    the first rolled back.
    """
    claim = {"ids": [envelope.id], "topics": [envelope.topic], "handler": handler_name, "version": version}
    return bool(await tx.fetch_all(_CLAIM, {"tenant_id": envelope.tenant_id, **claim}))


async def handle_each_once(
    tx: Transaction, tenant_id: str, topics: Mapping[str, str], handler_name: str, version: int
) -> Set[str]:
    """Claim messages of one tenant together, by event id with their topics; the ids of those not handled before."""
    claim = {"ids": list(topics), "topics": list(topics.values()), "handler": handler_name, "version": version}
    return {row.event_id for row in await tx.fetch_all(_CLAIM, {"tenant_id": tenant_id, **claim})}
