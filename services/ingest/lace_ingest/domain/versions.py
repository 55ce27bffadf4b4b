"""The versions of a document: which number a new one gets, and which labels it carries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lace_core.errors import LaceError, Reason
from lace_ingest.domain.sources import Source, may_see


def labels_of_version(given: Iterable[str], newest: Source) -> tuple[str, ...]:
    """The labels of the next version: those given, where none are those of the newest; what is private stays so.

    Who gives labels may leave out those of the newest: `next_version` sees to it that he holds them.
    """
    owner = (newest.owner,) if newest.owner else ()
    return tuple(sorted({*(tuple(given) or newest.labels), *owner}))


def require_held(newest: Source, held: frozenset[str]) -> None:
    """Raises PERMISSION_DENIED for who does not hold all labels of the newest version: the next would lose them."""
    if not may_see(newest.labels, held):
        message = "The newest version of this document carries labels that you do not hold; ask who gave it."
        raise LaceError(Reason.PERMISSION_DENIED, message)


def next_version(source: Source, newest: Source, held: frozenset[str]) -> Source:
    """The source as the version after the newest one of a document.

    Raises PERMISSION_DENIED.
    """
    require_held(newest, held)
    return replace(source, series_id=newest.series_id, version=newest.version + 1, previous_source_id=newest.source_id)


def require_same_document(kept: Source, series_id: str) -> None:
    """Raises SOURCE_VERSION_CONFLICT where a file that was given as a version belongs to another document."""
    if kept.series_id != series_id:
        raise LaceError(
            Reason.SOURCE_VERSION_CONFLICT,
            f"{kept.filename} with these bytes is version {kept.version} of another document ({kept.source_id}).",
        )
