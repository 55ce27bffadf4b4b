"""A source: the document as it was given, and where its reading stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from lace_core.errors import LaceError, Reason
from lace_core.ids import derive
from lace_core.labels import owner_among
from lace_ingest.domain.documents import WHOLE, ExtractedDocument
from lace_ingest.domain.extraction_warnings import ExtractionWarning
from lace_ingest.domain.formats import MEDIA_TYPES, SourceFormat
from lace_ingest.domain.reading.titles import title_from_filename

BUCKET = "lace-sources"


class SourceState(StrEnum):
    """Where a source is in its life: pending → ready or failed; reading again may lead from any to ready."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Source:
    """One content of a document that a person gave, immutable: `sha256` of its raw bytes.

    Contents of one document are its versions, numbered from 1: they share `series_id`, the id of the first, which a
    source that names none is itself. `metadata`, `language` (BCP 47) and `extractability` (per mille of the content
    that gave text) are those of the present extraction.
    """

    source_id: str
    filename: str
    title: str
    format: SourceFormat
    media_type: str
    size_bytes: int
    sha256: str
    raw_uri: str
    created_at: datetime
    created_by: str
    state: SourceState = SourceState.PENDING
    error_code: str = ""
    error_message: str = ""
    page_count: int = 0
    unit_count: int = 0
    word_count: int = 0
    extraction: str = ""
    warnings: tuple[ExtractionWarning, ...] = ()
    labels: tuple[str, ...] = ()
    run_id: str = ""
    series_id: str = ""
    version: int = 1
    previous_source_id: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    language: str = ""
    extractability: int = WHOLE

    def __post_init__(self) -> None:
        """A source by itself is the first version of its document."""
        if not self.series_id:
            object.__setattr__(self, "series_id", self.source_id)

    @property
    def owner(self) -> str:
        """The label of the principal whose own it is, empty for what is not private."""
        return owner_among(self.labels)


def source_id_of(tenant_id: str, sha256: str, filename: str, owner: str = "") -> str:
    """The same file under the same name is the same source of a tenant; a private one is a source of its owner's.

    Without that, who gives as his own what others have given too would take it from them.
    """
    return derive("src", tenant_id, sha256, filename, *([owner] if owner else []))


def raw_key(tenant_id: str, source_id: str, sha256: str, source_format: SourceFormat) -> str:
    """Where the raw bytes are kept; a file name may hold what a key may not."""
    return f"{tenant_id}/{source_id}/{sha256}.{source_format.value}"


def units_key(tenant_id: str, source: Source, content_hash: str) -> str:
    """Where what was read out of a source is kept as a file, for the record of how it came to be."""
    return f"{tenant_id}/{source.source_id}/units-{content_hash}.json"


def new_source(
    tenant_id: str,
    filename: str,
    source_format: SourceFormat,
    *,
    size_bytes: int,
    sha256: str,
    raw_uri: str,
    labels: Iterable[str],
    created_at: datetime,
    created_by: str,
) -> Source:
    """A source as it comes in, to be read."""
    carried = tuple(sorted(set(labels)))
    return Source(
        source_id=source_id_of(tenant_id, sha256, filename, owner_among(carried)),
        filename=filename,
        title=title_from_filename(filename),
        format=source_format,
        media_type=MEDIA_TYPES[source_format],
        size_bytes=size_bytes,
        sha256=sha256,
        raw_uri=raw_uri,
        created_at=created_at,
        created_by=created_by,
        labels=carried,
    )


def as_read(source: Source, document: ExtractedDocument, run_id: str) -> Source:
    """The source after its reading."""
    return replace(
        source,
        title=document.title or title_from_filename(source.filename),
        state=SourceState.READY,
        error_code="",
        error_message="",
        page_count=document.page_count,
        unit_count=len(document.units),
        word_count=document.word_count,
        extraction=document.extraction,
        warnings=document.warnings,
        run_id=run_id,
        metadata=document.metadata,
        language=document.language,
        extractability=document.extractability,
    )


def as_failed(source: Source, error: LaceError, run_id: str) -> Source:
    """The source after a reading that failed."""
    return replace(
        source,
        state=SourceState.FAILED,
        error_code=error.reason.value,
        error_message=error.message,
        run_id=run_id,
    )


def may_see(labels: Sequence[str], held: frozenset[str]) -> bool:
    """Whether who holds these labels may see what carries those."""
    return held.issuperset(labels)


def source_not_found(source_id: str) -> LaceError:
    """No such source, or none that the caller may see: from outside that is the same."""
    return LaceError(Reason.SOURCE_NOT_FOUND, f"No source {source_id}.")
