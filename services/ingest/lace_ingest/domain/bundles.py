"""Bundles: named sets of sources. Each change makes a version, numbered from 1, that is never changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lace_core.canonical import sha256_hex
from lace_core.errors import Detail, LaceError, Reason
from lace_core.ids import derive
from lace_ingest.domain.sources import Source

MOST_SOURCES = 1000
_PREFIX = "bnd_"


@dataclass(frozen=True)
class Bundle:
    """A named set; `version` is the number of its newest version, 0 while it has none and is empty."""

    bundle_id: str
    name: str
    description: str
    labels: tuple[str, ...]
    created_by: str
    created_at: datetime
    updated_at: datetime
    version: int = 0


@dataclass(frozen=True)
class BundleVersion:
    """A bundle as it stood: `sha256` is over the ids of its sources in their order, each followed by a line feed."""

    bundle_id: str
    version: int
    source_ids: tuple[str, ...]
    sha256: str
    note: str
    created_by: str
    created_at: datetime


@dataclass(frozen=True)
class Edit:
    """What is to become of a bundle's sources: all of them anew where `add` and `remove` are empty.

    `expected` is the newest version that the editor knows of, None where any will do.
    """

    source_ids: tuple[str, ...] = ()
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    expected: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Shown:
    """A version as a caller sees it: without the sources that he may not see, which are counted."""

    version: BundleVersion
    source_ids: tuple[str, ...]

    @property
    def withheld(self) -> int:
        """How many sources are left out."""
        return len(self.version.source_ids) - len(self.source_ids)


def bundle_id_of(tenant_id: str, name: str) -> str:
    """A name stands for one bundle of a tenant for ever. Raises INVALID_ARGUMENT for one that looks like an id."""
    if name.startswith(_PREFIX):
        problem = f"may not begin with {_PREFIX}: that is how ids begin"
        raise LaceError(Reason.INVALID_ARGUMENT, f"/name: {problem}.", details=[Detail("/name", problem)])
    return derive("bnd", tenant_id, name)


def hash_of(source_ids: Sequence[str]) -> str:
    """The SHA-256 of a version's sources."""
    return sha256_hex("".join(f"{source_id}\n" for source_id in source_ids).encode())


def check_edit(edit: Edit) -> None:
    """Raises INVALID_ARGUMENT for an edit that says both what all sources are and what comes and goes, or neither."""
    if bool(edit.source_ids) == bool(edit.add or edit.remove):
        message = "Give either source_ids, all sources of the version, or add and remove."
        raise LaceError(Reason.INVALID_ARGUMENT, message, details=[Detail("/source_ids", message)])


def edited(bundle: Bundle, present: Sequence[str], edit: Edit) -> tuple[str, ...]:
    """The sources after an edit, each once, in their order. Raises SOURCE_NOT_FOUND, INVALID_ARGUMENT."""
    for source_id in edit.remove:
        if source_id not in present:
            raise LaceError(Reason.SOURCE_NOT_FOUND, f"{bundle.name} has no source {source_id}.")
    base = edit.source_ids or [source_id for source_id in present if source_id not in set(edit.remove)]
    found = tuple(dict.fromkeys((*base, *edit.add)))
    if len(found) > MOST_SOURCES:
        problem = f"{bundle.name} would have {len(found)} sources; {MOST_SOURCES} are allowed"
        raise LaceError(Reason.INVALID_ARGUMENT, f"{problem}.", details=[Detail("/add", problem)])
    return found


def refreshed(present: Sequence[str], known: Mapping[str, Source], newest: Mapping[str, Source]) -> tuple[str, ...]:
    """The sources with each replaced by a newer version of its document, each once.

    `known` is by source id and may lack sources, which stay; `newest` is by series.
    """

    def follow(source_id: str) -> str:
        source = known.get(source_id)
        newer = newest.get(source.series_id) if source else None
        return newer.source_id if source and newer and newer.version > source.version else source_id

    return tuple(dict.fromkeys(map(follow, present)))


def check_expected(bundle: Bundle, expected: int | None) -> None:
    """Raises BUNDLE_CONFLICT where the newest version is another than was expected."""
    if expected is not None and expected != bundle.version:
        message = f"{bundle.name} is at version {bundle.version}, not {expected}; look at it again."
        raise LaceError(Reason.BUNDLE_CONFLICT, message)


def check_labels(bundle: Bundle, sources: Collection[Source]) -> None:
    """Raises PERMISSION_DENIED where a source carries labels that the bundle does not: its readers may lack them."""
    for source in sources:
        if missing := sorted(set(source.labels) - set(bundle.labels)):
            message = (
                f"{source.source_id} carries the labels {', '.join(missing)}, which {bundle.name} does not: "
                "put it into a bundle that carries them too."
            )
            raise LaceError(Reason.PERMISSION_DENIED, message)


def bundle_not_found(name: str) -> LaceError:
    """No such bundle, or none that the caller may see: from outside that is the same."""
    return LaceError(Reason.BUNDLE_NOT_FOUND, f"No bundle {name}.")


def version_not_found(bundle: Bundle, number: int) -> LaceError:
    """The bundle has no such version."""
    return LaceError(Reason.BUNDLE_NOT_FOUND, f"{bundle.name} has no version {number}; its newest is {bundle.version}.")


def bundle_empty(bundle: Bundle) -> LaceError:
    """The bundle has no version yet."""
    return LaceError(Reason.BUNDLE_EMPTY, f"{bundle.name} has no sources yet; add some.")
