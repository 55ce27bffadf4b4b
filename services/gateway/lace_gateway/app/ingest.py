"""Taking in documents: each is stored as it comes, then one run reads all that were accepted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from lace_core.errors import LaceError, Reason
from lace_gateway.app.ports import Sources, StoredSource, Upload

S = TypeVar("S", bound=StoredSource)


@dataclass(frozen=True)
class Rejected:
    """A document that was not taken, and why."""

    filename: str
    error: LaceError


@dataclass(frozen=True)
class Ingested(Generic[S]):
    """The run that reads the accepted documents, these, and the others."""

    run_id: str
    sources: Sequence[S]
    rejected: Sequence[Rejected]


async def ingest_sources(sources: Sources[S], uploads: AsyncIterator[Upload]) -> Ingested[S]:
    """Stores the documents one after the other and starts the run that reads them.

    A document that cannot be taken does not hold up the others. Raises LaceError: SOURCE_EMPTY where there are
    none, the first refusal where none was accepted, and whatever is not about one document.
    """
    accepted: list[S] = []
    rejected: list[Rejected] = []
    async for upload in uploads:
        try:
            accepted.append(await sources.store(upload))
        except LaceError as error:
            if not _is_about_the_document(error):
                raise
            rejected.append(Rejected(upload.filename, error))
    if not accepted:
        raise rejected[0].error if rejected else _nothing()
    run_id = await sources.start_reading(list(dict.fromkeys(source.source_id for source in accepted)))
    return Ingested(run_id, accepted, rejected)


def _is_about_the_document(error: LaceError) -> bool:
    return error.reason.value.startswith("SOURCE_") or error.reason is Reason.INVALID_ARGUMENT


def _nothing() -> LaceError:
    return LaceError(Reason.SOURCE_EMPTY, "There is no document in this request; send each as a part named files.")
