"""Reads one document in a child process: the only place where foreign bytes meet a parser."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import BinaryIO

import msgspec

from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.reading.extractors import extractor, tool_of
from lace_ingest.adapters.reading.extractors.languages import language_of
from lace_ingest.domain.documents import ExtractedDocument, extraction_name
from lace_ingest.domain.formats import SourceFormat, check_whole
from lace_ingest.domain.limits import ExtractionLimits, refuse_beyond
from lace_ingest.domain.reading.segmentation import assemble


@dataclass(frozen=True)
class Order:
    """What to read: the file name, its declared format and the limits; `owner` is the label of a private source."""

    filename: str
    format: SourceFormat
    limits: ExtractionLimits
    owner: str = ""

    @property
    def origin(self) -> str:
        """What tells the units of this file from those of another with the same bytes."""
        return f"{self.filename}\x1f{self.owner}" if self.owner else self.filename


def encode(order: Order) -> bytes:
    """The argument of `run`."""
    return msgspec.json.encode(asdict(order))


def run(argument: bytes, document: BinaryIO) -> bytes:
    """JSON of the ExtractedDocument; the entry of the child process. Raises SOURCE_*."""
    order = msgspec.json.decode(argument, type=Order)
    answer = msgspec.json.encode(read_document(order, document.read()))
    if len(answer) > order.limits.output_bytes:
        raise LaceError(Reason.SOURCE_LIMIT_EXCEEDED, f"{order.filename} holds more text than can be taken in.")
    return answer


def read_document(order: Order, data: bytes) -> ExtractedDocument:
    """The document. Raises SOURCE_EMPTY, SOURCE_UNREADABLE, SOURCE_FORMAT_UNSUPPORTED, SOURCE_ENCRYPTED,
    SOURCE_NO_TEXT, SOURCE_NOT_EXTRACTABLE, SOURCE_LIMIT_EXCEEDED, SOURCE_EXTRACTOR_MISSING."""
    if not data or data.isspace():
        raise LaceError(Reason.SOURCE_EMPTY, f"{order.filename} is empty.")
    check_whole(order.filename, order.format, data)
    reading = extractor(order.format, order.limits.extractor)(data, order.limits)
    document = assemble(
        reading,
        sha256=sha256_hex(data),
        filename=order.origin,
        extraction=name_of(order.format, order.limits),
        unit_characters=order.limits.unit_characters,
    )
    refuse_beyond("units", len(document.units), order.limits.units)
    refuse_beyond("characters", sum(len(unit.text) for unit in document.units), order.limits.chars)
    if not document.units:
        raise LaceError(Reason.SOURCE_NO_TEXT, f"{order.filename} holds no text.")
    _refuse_beneath(document, order)
    return replace(document, language=language_of(document.units))


def _refuse_beneath(document: ExtractedDocument, order: Order) -> None:
    """Raises SOURCE_NOT_EXTRACTABLE, with the reasons, where less gave text than the limits want."""
    share, wanted = document.extractability, order.limits.min_extractability
    if share < wanted:
        reasons = " ".join(warning.message for warning in document.warnings)
        message = f"{order.filename}: {share} of 1000 parts of it could be read; {wanted} are wanted. {reasons}"
        raise LaceError(Reason.SOURCE_NOT_EXTRACTABLE, message.strip())


def name_of(source_format: SourceFormat, limits: ExtractionLimits) -> str:
    """The name of the extraction that these limits make of a document of this format."""
    return extraction_name(tool_of(source_format, limits.extractor), limits.unit_characters)


def decode(answer: bytes) -> ExtractedDocument:
    """The document out of what `run` gave. Raises ValueError for what it cannot have given."""
    return msgspec.json.decode(answer, type=ExtractedDocument)
