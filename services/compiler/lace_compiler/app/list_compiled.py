"""Use case: what was compiled of an artifact, a page at a time, with links to download it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lace_compiler.app.ports import Files, Units
from lace_compiler.domain.attempt import Compiled

Place = tuple[datetime, str]


@dataclass(frozen=True, slots=True)
class Question:
    """Which attempts: those at an artifact, of one revision where that is named, after a place in the list; and the
    labels that the asker holds.
    """

    artifact_id: str
    revision_id: str
    limit: int
    before: Place | None
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Listed:
    """An attempt, and a signed path to its file; empty where it failed."""

    compiled: Compiled
    download_url: str


@dataclass(frozen=True, slots=True)
class Page:
    """Attempts, newest first; `after` is the place where the next page begins, None at the end."""

    listed: tuple[Listed, ...]
    after: Place | None


async def list_compiled(units: Units, files: Files, tenant_id: str, question: Question) -> Page:
    """The page; an artifact of which nothing was compiled gives an empty one."""
    async with units.of_tenant(tenant_id) as unit:
        found = await unit.compiled.newest(
            tenant_id,
            question.artifact_id,
            question.revision_id,
            question.limit + 1,
            question.before,
            question.labels,
        )
    shown = found[: question.limit]
    return Page(tuple(_listed(files, tenant_id, each) for each in shown), _after(shown, len(found) > question.limit))


def _listed(files: Files, tenant_id: str, compiled: Compiled) -> Listed:
    return Listed(compiled, files.download_url(tenant_id, compiled.bundle) if compiled.bundle else "")


def _after(shown: Sequence[Compiled], more: bool) -> Place | None:
    return (shown[-1].created_at, shown[-1].compiled_id) if more else None
