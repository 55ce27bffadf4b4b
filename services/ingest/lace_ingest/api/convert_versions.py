"""The mapping of extractions and what they hold to the wire messages of lace.ingest.v1."""

from __future__ import annotations

from lace.ingest.v1 import ingest_pb2 as pb
from lace_ingest.api.convert import source_to_wire, unit_to_wire, warning_to_wire
from lace_ingest.domain.extractions import Extraction, LocatedUnit, Quote
from lace_ingest.domain.sources import Source
from lace_proto.times import to_timestamp


def extraction_to_wire(source: Source, extraction: Extraction) -> pb.Extraction:
    """An extraction of a source."""
    return pb.Extraction(
        source_id=extraction.source_id,
        extraction=extraction.extraction,
        present=extraction.extraction == source.extraction,
        title=extraction.title,
        page_count=extraction.page_count,
        unit_count=extraction.unit_count,
        word_count=extraction.word_count,
        run_id=extraction.run_id,
        created_at=to_timestamp(extraction.created_at),
        extraction_warnings=map(warning_to_wire, extraction.warnings),
        metadata=extraction.metadata,
        language=extraction.language,
        extractability=extraction.extractability,
    )


def located_to_wire(located: LocatedUnit) -> pb.LocatedUnit:
    """A unit and where it comes from."""
    return pb.LocatedUnit(
        unit=unit_to_wire(located.source.source_id, located.unit),
        source=source_to_wire(located.source),
        extraction=located.extraction,
        present=located.present,
    )


def quote_to_wire(quote: Quote, expected_hash: str) -> pb.Quote:
    """The words of a span; whether they are those that were expected, where a hash was given."""
    located = quote.located
    return pb.Quote(
        unit_id=located.unit.unit_id,
        source_id=located.source.source_id,
        source_version=located.source.sha256,
        extraction=located.extraction,
        present=located.present,
        start=quote.start,
        end=quote.end,
        quote=quote.text,
        quote_hash=quote.sha256,
        matches=quote.sha256 == expected_hash if expected_hash else None,
        heading_path=located.unit.heading_path,
        page=located.unit.page,
    )
