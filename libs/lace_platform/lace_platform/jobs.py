"""Handlers of bus messages take effect once, however often a message is delivered."""

from __future__ import annotations

from sqlalchemy.dialects.postgresql import insert

from lace_platform.bus import Envelope
from lace_platform.db.tables import InfrastructureTables
from lace_platform.db.transaction import Transaction


async def handle_once(
    tx: Transaction, tables: InfrastructureTables, envelope: Envelope, handler_name: str, version: int
) -> bool:
    """Claim the message for a handler in the transaction of its effect; False means that the effect is there.

    A second delivery that arrives while the first is under way waits for it, then is told False, or True where
    the first rolled back.
    """
    claim = (
        insert(tables.job_executions)
        .values(
            tenant_id=envelope.tenant_id,
            event_id=envelope.id,
            handler=handler_name,
            handler_version=version,
            topic=envelope.topic,
        )
        .on_conflict_do_nothing()
    )
    return (await tx.execute(claim)).rowcount == 1
