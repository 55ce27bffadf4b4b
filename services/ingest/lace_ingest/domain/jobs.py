"""The job of reading one source, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lace_core.errors import Reason
from lace_ingest.domain.sources import Source

HANDLER = "read_source"
HANDLER_VERSION = 1

SETTLING = frozenset((Reason.BLOB_NOT_FOUND, Reason.BLOB_CORRUPT))


@dataclass(frozen=True)
class ReadJob:
    """Reads one source for a run; `event_id` is the message that asks for it, `settings` are the pinned ones.

    `correlation_id` is that of the request which began it all, empty where the message names none.
    """

    event_id: str
    job_id: str
    run_id: str
    tenant_id: str
    source_id: str
    settings: dict[str, object]
    correlation_id: str = ""


@dataclass(frozen=True)
class Readout:
    """What a reading went from and to, for the record: `units_uri` and `units_hash` are empty where it failed."""

    job: ReadJob
    source: Source
    started_at: datetime
    ended_at: datetime
    units_uri: str = ""
    units_hash: str = ""


def settles(reason: Reason) -> bool:
    """Whether an error says something about the document, so that trying again would bring the same."""
    return reason.value.startswith("SOURCE_") or reason in SETTLING
