"""What the use cases of batches need of the outside world beside the ports of templates."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from lace_llm_gateway.app.templates.ports import TemplateUnit
from lace_llm_gateway.domain.batches import Batch, BatchState, Progress
from lace_llm_gateway.domain.stored_templates import TemplateRun, TemplateRunState

BatchPlace = tuple[datetime, str]  # time of asking, id: newest first


class BatchRepository(Protocol):
    """The batches of a tenant, and their runs as far as batches move them."""

    async def add(self, tenant_id: str, batch: Batch) -> None:
        """Keep a batch that was asked for."""
        ...

    async def get(self, tenant_id: str, batch_id: str) -> Batch | None:
        """The batch of that id."""
        ...

    async def hold(self, tenant_id: str, batch_id: str) -> Batch | None:
        """The batch of that id, which nobody else changes until the end of the transaction."""
        ...

    async def save(self, tenant_id: str, batch: Batch) -> None:
        """Keep its state, lock, dispatch and error in place of those before; to be called while it is held."""
        ...

    async def listed(
        self, tenant_id: str, template_id: str, state: BatchState | None, limit: int, after: BatchPlace | None
    ) -> Sequence[Batch]:
        """The batches of a template, newest first, those after a place."""
        ...

    async def progress(self, tenant_id: str, batches: Sequence[Batch]) -> Mapping[str, Progress]:
        """How far the runs of each batch are, by its id, counted from their rows and held against its lock."""
        ...

    async def claim(self, tenant_id: str, batch_id: str, holder: str, now: datetime, until: datetime) -> Batch | None:
        """Take a live batch that nobody holds; a queued one is running then. None where there is nothing to take."""
        ...

    async def renew(self, tenant_id: str, batch_id: str, holder: str, until: datetime) -> BatchState | None:
        """Hold it for longer; its state, None where it is held no more."""
        ...

    async def release(self, tenant_id: str, batch_id: str, holder: str) -> None:
        """Hold it no more."""
        ...

    async def held(self, tenant_id: str, batch_id: str, now: datetime) -> bool:
        """Whether some process holds it."""
        ...

    async def runs_in(
        self, tenant_id: str, batch_id: str, states: Collection[TemplateRunState]
    ) -> Sequence[TemplateRun]:
        """Its runs in one of the states, in their order."""
        ...

    async def requeue(self, tenant_id: str, run_id: str, cause: str = "") -> bool:
        """Have a run that failed, was cancelled or was interrupted made again in its place; False for other runs.

        `cause`, the code that it failed with, is its error_message until it is made; empty where it did not fail.
        """
        ...

    async def cancel_runs(self, tenant_id: str, batch_id: str, states: Collection[TemplateRunState]) -> None:
        """End its runs that are in one of the states."""
        ...


class BatchUnit(TemplateUnit, Protocol):
    """One transaction in a tenant; leaving it without `commit` undoes everything."""

    @property
    def batches(self) -> BatchRepository:
        """The batches."""
        ...

    async def request(self, tenant_id: str, batch_id: str, dispatch: int, run_id: str = "") -> None:
        """Send a batch, or a single run, on its way over the bus; it leaves with the commit."""
        ...

    async def tell(self, tenant_id: str, batch: Batch, progress: Progress) -> None:
        """Tell who analyses of the batch's new state; it leaves with the commit, at least once."""
        ...

    async def handled(self, tenant_id: str, event_id: str, topic: str) -> bool:
        """Claim a message in this transaction; False where it was handled before."""
        ...

    def after_commit(self, action: Callable[[], None]) -> None:
        """Do this in this process when the transaction is durable."""
        ...


class BatchUnits(Protocol):
    """Opens units of work."""

    def of_tenant(self, tenant_id: str) -> AbstractAsyncContextManager[BatchUnit]:
        """Within a tenant."""
        ...


class Orphans(Protocol):
    """Looks across tenants for batches that no process holds any more."""

    async def find(self, now: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """(tenant, batch) of live batches that were held until before now, or are not held at all."""
        ...
