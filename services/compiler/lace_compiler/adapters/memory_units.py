"""Units of work in memory, for tests of the use cases: the same promises as on Postgres, under one contract suite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from lace_compiler.domain.attempt import Cause, Compiled, Transformation


@dataclass
class _Kept:
    """What is committed, of all tenants."""

    compiled: list[tuple[str, Compiled]] = field(default_factory=list)
    claimed: set[tuple[str, str]] = field(default_factory=set)
    told: list[Transformation] = field(default_factory=list)


class MemoryUnits:
    """Opens units of work, one after the other."""

    def __init__(self) -> None:
        self._kept = _Kept()

    @property
    def told(self) -> Sequence[Transformation]:
        """What was told after commits, in order."""
        return tuple(self._kept.told)

    @asynccontextmanager
    async def of_tenant(self, tenant_id: str) -> AsyncIterator[MemoryUnitOfWork]:
        """Within a tenant."""
        yield MemoryUnitOfWork(self._kept, tenant_id)


class MemoryUnitOfWork:
    """Works on a copy that becomes the truth with `commit`."""

    def __init__(self, kept: _Kept, tenant_id: str) -> None:
        self._kept = kept
        self._draft = _Kept(list(kept.compiled), set(kept.claimed), list(kept.told))
        self.compiled = MemoryCompiledRepository(self._draft, tenant_id)

    async def claim(self, cause: Cause) -> bool:
        """True once for each message."""
        message = (cause.tenant_id, cause.event_id)
        if message in self._draft.claimed:
            return False
        self._draft.claimed.add(message)
        return True

    async def tell(self, made: Transformation) -> None:
        """Told with the commit."""
        self._draft.told.append(made)

    async def commit(self) -> None:
        """The draft is the truth."""
        self._kept.compiled = self._draft.compiled
        self._kept.claimed = self._draft.claimed
        self._kept.told = self._draft.told


class MemoryCompiledRepository:
    """The attempts; sees those of the unit's tenant alone, as row level security has it."""

    def __init__(self, draft: _Kept, tenant_id: str) -> None:
        self._draft = draft
        self._tenant_id = tenant_id

    async def next_attempt(self, tenant_id: str, artifact_id: str, revision_id: str, target: str) -> int:
        """One more than there are."""
        place = (artifact_id, revision_id, target)
        return 1 + sum((c.artifact_id, c.revision_id, c.target) == place for c in self._of(tenant_id))

    async def add(self, tenant_id: str, run_id: str, job_id: str, compiled: Compiled) -> None:
        """Keeps the attempt."""
        if compiled.compiled_id in {each.compiled_id for each in self._of(tenant_id)}:
            raise ValueError(f"there is an attempt {compiled.compiled_id}")
        self._draft.compiled.append((tenant_id, compiled))

    async def newest(
        self,
        tenant_id: str,
        artifact_id: str,
        revision_id: str,
        limit: int,
        before: tuple[datetime, str] | None,
        labels: frozenset[str],
    ) -> Sequence[Compiled]:
        """Newest first, by time and id."""
        found = [c for c in self._of(tenant_id) if c.artifact_id == artifact_id and revision_id in ("", c.revision_id)]
        found.sort(key=_place, reverse=True)
        seen = [c for c in found if labels.issuperset(c.labels)]
        return [c for c in seen if before is None or _place(c) < before][:limit]

    def _of(self, tenant_id: str) -> list[Compiled]:
        return [c for owner, c in self._draft.compiled if owner == tenant_id == self._tenant_id]


def _place(compiled: Compiled) -> tuple[datetime, str]:
    return compiled.created_at, compiled.compiled_id
