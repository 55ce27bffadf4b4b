"""Bundles in memory, behind the same port as Postgres."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace

from lace_ingest.domain.bundles import Bundle, BundleVersion
from lace_ingest.domain.sources import Source, may_see


class MemoryBundles:
    """See app.bundle_ports.BundleRepository; `bundles` are by tenant and id, `versions` by bundle and number too."""

    def __init__(
        self,
        bundles: MutableMapping[tuple[str, str], Bundle],
        versions: MutableMapping[tuple[str, str, int], BundleVersion],
        sources: Mapping[str, Mapping[str, Source]],
    ) -> None:
        self._bundles = bundles
        self._versions = versions
        self._sources = sources

    async def add(self, tenant_id: str, bundle: Bundle) -> bool:
        """Keep a new bundle."""
        if any(bundle.bundle_id == one.bundle_id or bundle.name == one.name for one in self._of(tenant_id)):
            return False
        self._bundles[tenant_id, bundle.bundle_id] = bundle
        return True

    async def find(self, tenant_id: str, name: str, *, hold: bool = False) -> Bundle | None:
        """By id or name."""
        return next((one for one in self._of(tenant_id) if name in (one.bundle_id, one.name)), None)

    async def by_name(self, tenant_id: str, labels: frozenset[str], limit: int, after: str) -> Sequence[Bundle]:
        """By name, within the labels held."""
        found = [one for one in self._of(tenant_id) if one.name > after and may_see(one.labels, labels)]
        return sorted(found, key=lambda one: one.name)[:limit]

    async def add_version(self, tenant_id: str, version: BundleVersion) -> None:
        """Keep the next version, and count it."""
        kept = self._bundles[tenant_id, version.bundle_id]
        newer = replace(kept, version=version.version, updated_at=version.created_at)
        self._bundles[tenant_id, version.bundle_id] = newer
        self._versions[tenant_id, version.bundle_id, version.version] = version

    async def version(self, tenant_id: str, bundle_id: str, number: int) -> BundleVersion | None:
        """One version."""
        return self._versions.get((tenant_id, bundle_id, number))

    async def versions(self, tenant_id: str, bundle_id: str, limit: int, before: int | None) -> Sequence[BundleVersion]:
        """Newest first."""
        own = [one for key, one in self._versions.items() if key[:2] == (tenant_id, bundle_id)]
        found = [one for one in own if before is None or one.version < before]
        return sorted(found, key=lambda one: -one.version)[:limit]

    async def sources(self, tenant_id: str, source_ids: Sequence[str]) -> Sequence[Source]:
        """By id."""
        kept = self._sources.get(tenant_id, {})
        return [kept[source_id] for source_id in dict.fromkeys(source_ids) if source_id in kept]

    def _of(self, tenant_id: str) -> list[Bundle]:
        return [bundle for (tenant, _), bundle in self._bundles.items() if tenant == tenant_id]
