"""Documents that come in many at once: what lies in the inbox, what becomes of it, and jobs that came to nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lace_core.errors import LaceError, Reason
from lace_core.inbox import problem_of
from lace_ingest.domain.jobs import ReadJob
from lace_ingest.domain.sources import Source

IMPORT_HANDLER = "import_objects"
GIVE_UP_HANDLER = "give_up"
# What says something about the object, so that the rest goes on without it; one may be taken away while it is listed.
_OF_THE_OBJECT = frozenset({Reason.BLOB_NOT_FOUND, Reason.INVALID_ARGUMENT})


@dataclass(frozen=True)
class InboxObject:
    """An object below a tenant's inbox; `mark` is another one once its content is."""

    name: str
    size_bytes: int
    modified_at: datetime
    mark: str

    @property
    def filename(self) -> str:
        """The last part of its name."""
        return self.name.rpartition("/")[2]


@dataclass(frozen=True)
class ImportRecord:
    """That an object, as it was then, is this source."""

    name: str
    mark: str
    source_id: str


@dataclass(frozen=True)
class ImportJob:
    """Registers the objects whose names begin with the prefix; `event_id` is the message that asks for it."""

    event_id: str
    job_id: str
    run_id: str
    tenant_id: str
    prefix: str
    labels: tuple[str, ...]
    requested_by: str
    most: int


@dataclass(frozen=True)
class ImportedObject:
    """What became of an object: the source that it is, or why it was not taken."""

    name: str
    source_id: str = ""
    error_code: str = ""
    error_message: str = ""


@dataclass(frozen=True)
class ImportOutcome:
    """What came of an import: the objects by name, or why there are none."""

    job: ImportJob
    objects: tuple[ImportedObject, ...] = ()
    error_code: str = ""
    error_message: str = ""


@dataclass(frozen=True)
class ReadFault:
    """A reading that came to nothing for no fault of the document; `source` is as it was, None where there is none."""

    job: ReadJob
    source: Source | None
    code: str
    message: str


def refused(name: str, error: LaceError) -> ImportedObject:
    """An object that was not taken."""
    return ImportedObject(name, error_code=error.reason.value, error_message=error.message)


def is_about_the_object(error: LaceError) -> bool:
    """Whether the others can be taken in without it."""
    return error.reason.value.startswith("SOURCE_") or error.reason in _OF_THE_OBJECT


def check_object(found: InboxObject, max_bytes: int) -> None:
    """Raises SOURCE_NAME_INVALID, SOURCE_TOO_LARGE for what need not be looked into."""
    problem = problem_of(found.name)
    if problem:
        raise LaceError(Reason.SOURCE_NAME_INVALID, f"The name of an object {problem}.")
    if found.size_bytes > max_bytes:
        raise LaceError(Reason.SOURCE_TOO_LARGE, f"{found.filename} is larger than {max_bytes / (1 << 20):.4g} MiB.")
