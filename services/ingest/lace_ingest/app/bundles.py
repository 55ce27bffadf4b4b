"""Bundles: making one, changing its sources by versions, following the newest versions of documents, and reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lace_core.errors import LaceError, Reason
from lace_core.labels import owner_label
from lace_ingest.app.ports import Caller, Ingest, Mutation, UnitOfWork
from lace_ingest.domain.bundles import (
    Bundle,
    BundleVersion,
    Edit,
    Shown,
    bundle_empty,
    bundle_id_of,
    bundle_not_found,
    check_edit,
    check_expected,
    check_labels,
    edited,
    hash_of,
    refreshed,
    version_not_found,
)
from lace_ingest.domain.sources import Source, may_see, source_not_found


@dataclass(frozen=True)
class NewBundle:
    """What a bundle is to be; with a first version where sources are named."""

    name: str
    description: str = ""
    labels: tuple[str, ...] = ()
    private: bool = False
    source_ids: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Changed:
    """The newest version after a change, and whether the change made it."""

    version: BundleVersion
    made: bool


async def create_bundle(
    ingest: Ingest, caller: Caller, wanted: NewBundle, mutation: Mutation
) -> tuple[Bundle, Shown | None]:
    """A new bundle, and its first version where sources are named; its labels are those given and its sources'.

    Raises BUNDLE_EXISTS, SOURCE_NOT_FOUND, PERMISSION_DENIED for labels that the caller does not
    hold, IDEMPOTENCY_*.
    """
    if not may_see(wanted.labels, caller.labels):
        raise LaceError(Reason.PERMISSION_DENIED, "A bundle can only be given labels that you hold yourself.")
    async with ingest.units_of_work(caller.tenant_id) as work:
        made = await work.once(mutation, lambda: _create(ingest, work, caller, wanted), Bundle)
        shown = await _shown(work, caller, made, made.version) if made.version else None
        await work.commit()
    return made, shown


async def _create(ingest: Ingest, work: UnitOfWork, caller: Caller, wanted: NewBundle) -> Bundle:
    source_ids = tuple(dict.fromkeys(wanted.source_ids))
    sources = await _visible(work, caller, source_ids)
    labels = {*wanted.labels, *(label for source in sources for label in source.labels)}
    now = ingest.now()
    bundle = Bundle(
        bundle_id=bundle_id_of(caller.tenant_id, wanted.name),
        name=wanted.name,
        description=wanted.description,
        labels=tuple(sorted({*labels, owner_label(caller.principal_id)} if wanted.private else labels)),
        created_by=caller.principal_id,
        created_at=now,
        updated_at=now,
    )
    if not await work.bundles.add(caller.tenant_id, bundle):
        raise LaceError(Reason.BUNDLE_EXISTS, f"There is a bundle {wanted.name} already.")
    if not source_ids:
        return bundle
    made = await _add_version(ingest, work, caller, bundle, source_ids, wanted.note)
    return replace(bundle, version=made.version, updated_at=made.created_at)


async def edit_bundle(ingest: Ingest, caller: Caller, name: str, edit: Edit, mutation: Mutation) -> tuple[Shown, bool]:
    """The next version of a bundle, or its newest where nothing would change; whether there is a new one.

    Raises BUNDLE_NOT_FOUND, BUNDLE_CONFLICT, SOURCE_NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT, IDEMPOTENCY_*.
    """
    check_edit(edit)
    async with ingest.units_of_work(caller.tenant_id) as work:

        async def effect() -> Changed:
            bundle, present = await _held(work, caller, name, edit.expected)
            found = edited(bundle, present, edit)
            check_labels(bundle, await _visible(work, caller, [one for one in found if one not in set(present)]))
            return await _change(ingest, work, caller, bundle, present, found, edit.note)

        return await _settle(work, caller, await work.once(mutation, effect, Changed))


async def refresh_bundle(
    ingest: Ingest, caller: Caller, name: str, expected: int | None, note: str, mutation: Mutation
) -> tuple[Shown, bool]:
    """The next version of a bundle, with the newest version of each document that is ready and that the caller and
    the bundle's readers may see; its newest where nothing would change; and whether there is a new one.

    Raises BUNDLE_NOT_FOUND, BUNDLE_CONFLICT, IDEMPOTENCY_*.
    """
    async with ingest.units_of_work(caller.tenant_id) as work:

        async def effect() -> Changed:
            bundle, present = await _held(work, caller, name, expected)
            known = {source.source_id: source for source in await _among(work, caller, present)}
            series = sorted({source.series_id for source in known.values()})
            # Not the bundle's labels alone: nobody brings in by this what he may not see.
            readable = caller.labels & frozenset(bundle.labels)
            newest = await work.series.newest_ready(caller.tenant_id, readable, series)
            return await _change(ingest, work, caller, bundle, present, refreshed(present, known, newest), note)

        return await _settle(work, caller, await work.once(mutation, effect, Changed))


async def get_bundle(ingest: Ingest, caller: Caller, name: str) -> tuple[Bundle, Shown | None]:
    """A bundle by id or name, and its newest version if it has one. Raises BUNDLE_NOT_FOUND."""
    async with ingest.units_of_work(caller.tenant_id) as work:
        bundle = await _seen(work, caller, name)
        return bundle, await _shown(work, caller, bundle, bundle.version) if bundle.version else None


async def list_bundles(ingest: Ingest, caller: Caller, limit: int, after: str) -> Sequence[Bundle]:
    """Bundles that the caller may see, by name, those behind a name."""
    async with ingest.units_of_work(caller.tenant_id) as work:
        return await work.bundles.by_name(caller.tenant_id, caller.labels, limit, after)


async def get_version(ingest: Ingest, caller: Caller, name: str, number: int) -> Shown:
    """A version of a bundle, the newest where the number is 0. Raises BUNDLE_NOT_FOUND, BUNDLE_EMPTY."""
    async with ingest.units_of_work(caller.tenant_id) as work:
        bundle = await _seen(work, caller, name)
        if not number and not bundle.version:
            raise bundle_empty(bundle)
        return await _shown(work, caller, bundle, number or bundle.version)


async def list_versions(ingest: Ingest, caller: Caller, name: str, limit: int, before: int | None) -> Sequence[Shown]:
    """Versions of a bundle, newest first, those before a number. Raises BUNDLE_NOT_FOUND."""
    async with ingest.units_of_work(caller.tenant_id) as work:
        bundle = await _seen(work, caller, name)
        found = await work.bundles.versions(caller.tenant_id, bundle.bundle_id, limit, before)
        named = sorted({source_id for version in found for source_id in version.source_ids})
        seen = {source.source_id for source in await _among(work, caller, named)}
    return [Shown(version, tuple(one for one in version.source_ids if one in seen)) for version in found]


async def _seen(work: UnitOfWork, caller: Caller, name: str, *, hold: bool = False) -> Bundle:
    bundle = await work.bundles.find(caller.tenant_id, name, hold=hold)
    if bundle is None or not may_see(bundle.labels, caller.labels):
        raise bundle_not_found(name)
    return bundle


async def _held(work: UnitOfWork, caller: Caller, name: str, expected: int | None) -> tuple[Bundle, tuple[str, ...]]:
    """The bundle, which nobody else changes until the end, and its sources."""
    bundle = await _seen(work, caller, name, hold=True)
    check_expected(bundle, expected)
    if not bundle.version:
        return bundle, ()
    newest = await work.bundles.version(caller.tenant_id, bundle.bundle_id, bundle.version)
    assert newest is not None  # a bundle's row and its versions are written together
    return bundle, newest.source_ids


async def _change(
    ingest: Ingest,
    work: UnitOfWork,
    caller: Caller,
    bundle: Bundle,
    present: tuple[str, ...],
    wanted: tuple[str, ...],
    note: str,
) -> Changed:
    if wanted != present:
        return Changed(await _add_version(ingest, work, caller, bundle, wanted, note), True)
    newest = await work.bundles.version(caller.tenant_id, bundle.bundle_id, bundle.version)
    if newest is None:  # empty before its first version, and after
        raise bundle_empty(bundle)
    return Changed(newest, False)


async def _add_version(
    ingest: Ingest, work: UnitOfWork, caller: Caller, bundle: Bundle, source_ids: tuple[str, ...], note: str
) -> BundleVersion:
    made = BundleVersion(
        bundle_id=bundle.bundle_id,
        version=bundle.version + 1,
        source_ids=source_ids,
        sha256=hash_of(source_ids),
        note=note,
        created_by=caller.principal_id,
        created_at=ingest.now(),
    )
    await work.bundles.add_version(caller.tenant_id, made)
    return made


async def _settle(work: UnitOfWork, caller: Caller, changed: Changed) -> tuple[Shown, bool]:
    seen = {source.source_id for source in await _among(work, caller, changed.version.source_ids)}
    await work.commit()
    version = changed.version
    return Shown(version, tuple(one for one in version.source_ids if one in seen)), changed.made


async def _shown(work: UnitOfWork, caller: Caller, bundle: Bundle, number: int) -> Shown:
    version = await work.bundles.version(caller.tenant_id, bundle.bundle_id, number)
    if version is None:
        raise version_not_found(bundle, number)
    seen = {source.source_id for source in await _among(work, caller, version.source_ids)}
    return Shown(version, tuple(one for one in version.source_ids if one in seen))


async def _visible(work: UnitOfWork, caller: Caller, source_ids: Sequence[str]) -> Sequence[Source]:
    """These sources. Raises SOURCE_NOT_FOUND for the first that is not there or that the caller may not see."""
    found = {source.source_id: source for source in await _among(work, caller, source_ids)}
    for source_id in source_ids:
        if source_id not in found:
            raise source_not_found(source_id)
    return list(found.values())


async def _among(work: UnitOfWork, caller: Caller, source_ids: Sequence[str]) -> Sequence[Source]:
    """Those of these sources that the caller may see."""
    found = await work.bundles.sources(caller.tenant_id, source_ids) if source_ids else ()
    return [source for source in found if may_see(source.labels, caller.labels)]
