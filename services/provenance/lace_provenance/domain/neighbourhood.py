"""What is shown of an entity: its contents, what made it, what used it, and all that it was derived from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lace_core.errors import LaceError, Reason
from lace_provenance.domain.logs import EntityRef, TransformationLog

# A walk ends here: deeper than any document's making, wider than a person reads.
MOST_STEPS = 64
MOST_ANCESTORS = 2000
MOST_LOGS = 100


@dataclass(frozen=True)
class Neighbourhood:
    """Contents and logs are newest first, ancestors nearest first; at most MOST_LOGS and MOST_ANCESTORS of them."""

    contents: Sequence[EntityRef]
    generated_by: Sequence[TransformationLog]
    used_by: Sequence[TransformationLog]
    derived_from: Sequence[EntityRef]


@dataclass(frozen=True)
class Reader:
    """Who reads: within one tenant, and only what he holds all labels of."""

    tenant_id: str
    labels: frozenset[str]


def nothing_recorded(subject: str) -> LaceError:
    """The same answer for what was never recorded, for another tenant's, and for what the reader may not see."""
    return LaceError(Reason.PROVENANCE_NOT_FOUND, f"Nothing is recorded about {subject}.")
