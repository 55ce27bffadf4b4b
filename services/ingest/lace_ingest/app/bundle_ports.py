"""What the use cases of bundles need of the outside world; every method names its tenant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lace_ingest.domain.bundles import Bundle, BundleVersion
from lace_ingest.domain.sources import Source


class BundleRepository(Protocol):
    """The bundles of a tenant and their versions."""

    async def add(self, tenant_id: str, bundle: Bundle) -> bool:
        """Keep a new bundle; False where its name or id is taken."""

    async def find(self, tenant_id: str, name: str, *, hold: bool = False) -> Bundle | None:
        """The bundle of this id or name; held, nobody else changes it before the end of the unit of work."""

    async def by_name(self, tenant_id: str, labels: frozenset[str], limit: int, after: str) -> Sequence[Bundle]:
        """Bundles whose labels are all among these, by name, those behind the given name only."""

    async def add_version(self, tenant_id: str, version: BundleVersion) -> None:
        """Keep the next version of a bundle that is held."""

    async def version(self, tenant_id: str, bundle_id: str, number: int) -> BundleVersion | None:
        """A version."""

    async def versions(self, tenant_id: str, bundle_id: str, limit: int, before: int | None) -> Sequence[BundleVersion]:
        """Versions, newest first, those before the given number only."""

    async def sources(self, tenant_id: str, source_ids: Sequence[str]) -> Sequence[Source]:
        """The sources among these that the tenant has, whatever their labels."""
