"""The ledger of calls as the use cases see it: intents before calls in runs, settlements, and rows written later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from lace_llm_gateway.domain.calls import Call, CallKey, Settlement
from lace_llm_gateway.domain.usage import Usage, UsageQuery


class Ledger(Protocol):
    """Every call has one row. What many callers write at the same time shares its commits."""

    async def begin(self, tenant_id: str, call: Call) -> Call | None:
        """Make the intent of a call in a run durable, before it is made; None where it is to be made now.

        Where a call of the same key has an outcome that holds (see domain.calls.replayable) that one is given, and
        nothing new is written. Pending calls of the key that began before belong to who is gone, and are abandoned.
        Raises LaceError SERVICE_UNAVAILABLE where the ledger cannot be written for some seconds.
        """
        ...

    async def answered(self, tenant_id: str, key: CallKey) -> Call | None:
        """The outcome that holds of a call in a run, as `begin` gives it; nothing is written.

        None also where the ledger cannot be read.
        """
        ...

    async def settle(self, tenant_id: str, call_id: str, settlement: Settlement) -> None:
        """Make the outcome of a call durable; one that was settled before stays as it is.

        A caller that is cancelled meanwhile does not undo it: it is written for certain while the process lives.
        """
        ...

    async def record(self, tenant_id: str, call: Call) -> None:
        """Take a settled call outside runs, to be written soon; waits only where very many are still to be written."""
        ...

    async def flush(self) -> None:
        """Returns when everything that was given so far is durable."""
        ...

    async def of_run(
        self, tenant_id: str, run_id: str, limit: int, after: tuple[datetime, str] | None
    ) -> Sequence[Call]:
        """The calls of a run, oldest first, those after a place (time of start, id)."""
        ...

    async def usage(
        self, tenant_id: str, query: UsageQuery, limit: int, after: tuple[str, str] | None
    ) -> Sequence[Usage]:
        """The sums after a key: days newest first, others in order of their keys."""
        ...

    async def close(self) -> None:
        """Write what is still to be written, for some seconds at most."""
        ...
