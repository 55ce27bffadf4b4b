"""Reads one document in a child process: the only place where foreign bytes meet a parser."""

from __future__ import annotations

import struct
from dataclasses import asdict, dataclass

import msgspec

from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.extractors import extractor
from lace_ingest.domain.documents import ExtractedDocument
from lace_ingest.domain.formats import SNIFF_BYTES, SourceFormat, check_content
from lace_ingest.domain.limits import ExtractionLimits, refuse_beyond
from lace_ingest.domain.segmentation import assemble

_LENGTH = struct.Struct(">I")


@dataclass(frozen=True)
class Order:
    """What to read: the file name, its declared format and the limits."""

    filename: str
    format: SourceFormat
    limits: ExtractionLimits


def pack(order: Order, data: bytes) -> bytes:
    """The argument of `run`: a length, the order as JSON, the document."""
    head = msgspec.json.encode(asdict(order))
    return _LENGTH.pack(len(head)) + head + data


def run(argument: bytes) -> bytes:
    """JSON of the ExtractedDocument; the entry of the child process. Raises SOURCE_*."""
    (length,) = _LENGTH.unpack_from(argument)
    end = _LENGTH.size + length
    order = msgspec.json.decode(argument[_LENGTH.size : end], type=Order)
    answer = msgspec.json.encode(read_document(order, argument[end:]))
    if len(answer) > order.limits.output_bytes:
        raise LaceError(Reason.SOURCE_LIMIT_EXCEEDED, f"{order.filename} holds more text than can be taken in.")
    return answer


def read_document(order: Order, data: bytes) -> ExtractedDocument:
    """The document. Raises SOURCE_EMPTY, SOURCE_UNREADABLE, SOURCE_FORMAT_UNSUPPORTED, SOURCE_ENCRYPTED,
    SOURCE_NO_TEXT, SOURCE_LIMIT_EXCEEDED."""
    if not data.strip():
        raise LaceError(Reason.SOURCE_EMPTY, f"{order.filename} is empty.")
    check_content(order.filename, order.format, data[:SNIFF_BYTES])
    reading = extractor(order.format)(data, order.limits)
    document = assemble(
        reading,
        sha256=sha256_hex(data),
        filename=order.filename,
        unit_characters=order.limits.unit_characters,
    )
    refuse_beyond("units", len(document.units), order.limits.units)
    refuse_beyond("characters", sum(len(unit.text) for unit in document.units), order.limits.chars)
    if not document.units:
        raise LaceError(Reason.SOURCE_NO_TEXT, f"{order.filename} holds no text.")
    return document


def decode(answer: bytes) -> ExtractedDocument:
    """The document out of what `run` gave. Raises ValueError for what it cannot have given."""
    return msgspec.json.decode(answer, type=ExtractedDocument)
