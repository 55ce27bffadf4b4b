"""Giving units their vectors in the background, a few at a time, tenant by tenant."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from lace_core.errors import LaceError, Reason
from lace_ingest.app.model_ports import Embedder, EmbeddingModels, ModelCall
from lace_ingest.app.ports import Caller
from lace_ingest.app.vector_ports import StoredSettings, VectorQueue
from lace_ingest.domain.vectors import EmbeddingModel, UnitText, UnitVector, Vector, VectorSet, halves_of, pieces_of

# While a worker is at a set, no other takes it; one that dies leaves it for so long.
_LEASE_S = 180.0
_CALL_S = 120.0
_FIRST_WAIT_S, _LONGEST_AWAY_S, _LONGEST_WAIT_S = 2.0, 60.0, 600.0
_BUSY_S, _IDLE_S, _LOOK_S = 2.0, 30.0, 300.0
# Pieces in one call; the gateway answers others between two calls.
_PIECES = 32

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Outside:
    """What the work needs; `wait` ends when there may be something to do, or after so many seconds."""

    queue: VectorQueue
    models: EmbeddingModels
    embedder: Embedder
    settings: StoredSettings
    wait: Callable[[float], Awaitable[object]]
    progress: Callable[[int, int], None]
    new_lease: Callable[[], str]
    monotonic: Callable[[], float]


@dataclass
class _Tenant:
    """Where a tenant stands: the space of its model, None while there is none to be used, and when to look again."""

    caller: Caller
    space_id: int | None = None
    model: EmbeddingModel | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    look_at: float = 0.0
    changed: int = -1


class Embedding:
    """One worker; any number may work on the same queue."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._tenants: dict[str, _Tenant] = {}
        self._look_at = 0.0
        self._changed = -1

    async def run(self) -> None:
        """Until cancelled. What fails is tried again later, and later still."""
        waited = _FIRST_WAIT_S
        while True:
            try:
                if await self.round():
                    waited = _FIRST_WAIT_S
                    continue
                pause = _IDLE_S
            except LaceError as error:
                log.warning("embedding_waits", error=str(error), seconds=waited)
                pause, waited = waited, min(waited * 2, _LONGEST_AWAY_S)
            except Exception:  # whatever it was, the work of all others goes on
                log.exception("embedding_failed", seconds=waited)
                pause, waited = waited, min(waited * 2, _LONGEST_AWAY_S)
            await self._outside.wait(pause)

    async def round(self) -> bool:
        """Looks for new readings, then gives one batch of units its vectors; False where nothing is left to do.

        Raises LaceError where the database or control cannot be reached.
        """
        if not await self._outside.queue.ready():
            return False
        lease = self._outside.new_lease()
        looked = await self._look_if_due()
        taken = await self._take(lease)
        if taken is None and not looked:
            await self._look()
            taken = await self._take(lease)
        if taken is None:
            self._outside.progress(*await self._outside.queue.count())
            return False
        await self._embed(taken, lease, self._tenants[taken.tenant_id])
        return True

    async def _take(self, lease: str) -> VectorSet | None:
        spaces = [known.space_id for known in self._tenants.values() if known.space_id is not None]
        return await self._outside.queue.take(spaces, lease, _LEASE_S) if spaces else None

    async def _look_if_due(self) -> bool:
        """While there is work, all sources are not gone through for each batch of it."""
        due = self._outside.monotonic() >= self._look_at or self._outside.settings.changed() != self._changed
        if due:
            await self._look()
        return due

    async def _look(self) -> None:
        """Finds readings without a set, and the model that their tenant wants now."""
        now, changed = self._outside.monotonic(), self._outside.settings.changed()
        self._look_at, self._changed = now + _BUSY_S, changed
        spaces = {name: known.space_id for name, known in self._tenants.items() if known.space_id is not None}
        for tenant_id, principal_id in (await self._outside.queue.tenants(spaces)).items():
            known = self._tenants.setdefault(tenant_id, _Tenant(Caller(tenant_id, principal_id)))
            if known.space_id is not None:  # something new; where no model can be used it is no news
                known.look_at = now
        for known in self._tenants.values():
            if known.look_at <= now or known.changed != changed:
                await self._choose(known)
                known.look_at, known.changed = now + _LOOK_S, changed

    async def _choose(self, known: _Tenant) -> None:
        known.settings = await self._outside.settings.of(known.caller.tenant_id)
        known.space_id = known.model = None
        if known.settings.get("ingest.embedding", True):
            known.model = await self._outside.models.resolve(known.caller, known.settings)
        if known.model is not None:
            known.space_id = await self._outside.queue.enqueue(known.caller.tenant_id, known.model)

    async def _embed(self, taken: VectorSet, lease: str, known: _Tenant) -> None:
        """One batch; a failure is written beside the set, which rests."""
        batch = int(known.settings.get("ingest.embedding_batch", 16))
        units = await self._outside.queue.units(taken, batch)
        caller = Caller(taken.tenant_id, taken.principal_id)
        call = ModelCall(caller, known.settings, _CALL_S)
        try:
            vectors = await self._vectors(call, known.model, units)
        except LaceError as error:
            rest = error.retry_after or min(_FIRST_WAIT_S * 2**taken.attempts, _LONGEST_WAIT_S)
            log.warning("units_not_embedded", source_id=taken.source_id, reason=error.reason.value, seconds=rest)
            await self._outside.queue.put_back(taken, lease, error.reason.value, rest)
            return
        await self._outside.queue.store(taken, lease, units, vectors)
        if taken.embedded + len(units) >= taken.units:
            await self._index(taken, known.settings)

    async def _index(self, taken: VectorSet, settings: Mapping[str, Any]) -> None:
        exact = int(settings.get("retrieval.exact_units", 20_000))
        if await self._outside.queue.index(taken.tenant_id, taken.space_id, exact + 1):
            log.info("vectors_indexed", tenant_id=taken.tenant_id, space_id=taken.space_id)

    async def _vectors(
        self, call: ModelCall, model: EmbeddingModel | None, units: Sequence[UnitText]
    ) -> list[UnitVector]:
        """Those of all pieces of the units."""
        pieces = [(unit.unit_id, piece) for unit in units for piece in pieces_of(unit)]
        made: list[UnitVector] = []
        parts: dict[str, int] = {}
        for start in range(0, len(pieces), _PIECES):
            chunk = pieces[start : start + _PIECES]
            embedded = await self._of_texts(call, model, [piece for _, piece in chunk])
            for (unit_id, _), vectors in zip(chunk, embedded, strict=True):
                for vector in vectors:
                    part = parts[unit_id] = parts.get(unit_id, -1) + 1
                    made.append(UnitVector(unit_id, part, vector))
        return made

    async def _of_texts(
        self, call: ModelCall, model: EmbeddingModel | None, texts: Sequence[str]
    ) -> list[list[Vector[float]]]:
        """For each text the vectors of it, or of its halves where the model finds it too long."""
        wholes = [[text] for text in texts]
        while True:
            flat = [piece for pieces in wholes for piece in pieces]
            try:
                embedded = await self._outside.embedder.embed(call, flat)
                break
            except LaceError as error:
                wholes = _divided(wholes, error)
        if embedded.model != model:
            message = f"The vectors are of {embedded.model.name}, and {model.name if model else 'none'} was expected."
            raise LaceError(Reason.MODEL_UNKNOWN, message)
        vectors = iter(embedded.vectors)
        return [[next(vectors) for _ in pieces] for pieces in wholes]


def _divided(wholes: Sequence[Sequence[str]], error: LaceError) -> list[list[str]]:
    """The same with the piece that the error names in two; raises the error where it names none to divide."""
    place = next((detail.field.lstrip("/") for detail in error.details), "")
    if error.reason is not Reason.CONTEXT_TOO_LONG or not place.isdigit():
        raise error
    named, at, divided = int(place), 0, False
    found: list[list[str]] = []
    for pieces in wholes:
        own: list[str] = []
        for piece in pieces:
            halves = halves_of(piece) if at == named else None
            divided = divided or halves is not None
            own.extend(halves or (piece,))
            at += 1
        found.append(own)
    if not divided:
        raise error
    return found
