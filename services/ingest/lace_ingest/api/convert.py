"""The one mapping between the domain and the wire messages of lace.ingest.v1."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from lace.ingest.v1 import ingest_pb2 as pb
from lace_ingest.app.ports import Caller
from lace_ingest.domain.documents import Span, Unit, UnitKind, UnitTable
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.outlines import Outline, Section
from lace_ingest.domain.retrieval import DEFAULT_LIMIT, METHOD, Found, Hit, Query
from lace_ingest.domain.sources import Source, SourceState
from lace_platform.rpc import CallContext

_STATES = {
    SourceState.PENDING: pb.SOURCE_STATE_PENDING,
    SourceState.READY: pb.SOURCE_STATE_READY,
    SourceState.FAILED: pb.SOURCE_STATE_FAILED,
}
_FORMATS = {
    SourceFormat.MD: pb.SOURCE_FORMAT_MD,
    SourceFormat.TXT: pb.SOURCE_FORMAT_TXT,
    SourceFormat.JSON: pb.SOURCE_FORMAT_JSON,
    SourceFormat.DOCX: pb.SOURCE_FORMAT_DOCX,
    SourceFormat.PDF: pb.SOURCE_FORMAT_PDF,
}
_KINDS = {
    UnitKind.PARAGRAPH: pb.UNIT_KIND_PARAGRAPH,
    UnitKind.LIST: pb.UNIT_KIND_LIST,
    UnitKind.TABLE: pb.UNIT_KIND_TABLE,
    UnitKind.CODE: pb.UNIT_KIND_CODE,
    UnitKind.QUOTE: pb.UNIT_KIND_QUOTE,
    UnitKind.CAPTION: pb.UNIT_KIND_CAPTION,
}
_STATE_OF = {wire: state for state, wire in _STATES.items()}


def caller_of(call: CallContext) -> Caller:
    """Who calls; raises TOKEN_MISSING where nobody does."""
    labels = call.identity.labels if call.identity else frozenset()
    return Caller(call.tenant_id, call.principal_id, frozenset(labels))


def state_of(wire: pb.SourceState.ValueType) -> SourceState | None:
    """The state asked for; None where it is unset."""
    return _STATE_OF.get(wire)


def query_of(wire: pb.Query) -> Query:
    """A query; an unset limit is the usual one."""
    return Query(wire.key, wire.text, wire.limit or DEFAULT_LIMIT)


def source_to_wire(source: Source) -> pb.Source:
    """A source."""
    return pb.Source(
        source_id=source.source_id,
        filename=source.filename,
        title=source.title,
        format=_FORMATS[source.format],
        media_type=source.media_type,
        size_bytes=source.size_bytes,
        sha256=source.sha256,
        state=_STATES[source.state],
        error_code=source.error_code,
        error_message=source.error_message,
        page_count=source.page_count,
        unit_count=source.unit_count,
        word_count=source.word_count,
        extraction=source.extraction,
        warnings=source.warnings,
        labels=source.labels,
        created_at=time_to_wire(source.created_at),
        created_by=source.created_by,
        raw_uri=source.raw_uri,
    )


def unit_to_wire(source_id: str, unit: Unit) -> pb.Unit:
    """A unit of a source."""
    return pb.Unit(
        unit_id=unit.unit_id,
        source_id=source_id,
        order=unit.order,
        kind=_KINDS[unit.kind],
        text=unit.text,
        text_hash=unit.text_hash,
        heading_path=unit.heading_path,
        page=unit.page,
        spans=[_span_to_wire(span) for span in unit.spans],
        table=None if unit.table is None else _table_to_wire(unit.table),
        language=unit.language,
    )


def outline_to_wire(outline: Outline) -> pb.SourceOutline:
    """The outline of a source."""
    return pb.SourceOutline(
        source=source_to_wire(outline.source), sections=[_section_to_wire(section) for section in outline.sections]
    )


def found_to_wire(queries: list[Query], found: Found) -> pb.SearchResponse:
    """The answer to many queries, in their order."""
    return pb.SearchResponse(
        results=[
            pb.QueryResult(key=query.key, hits=[_hit_to_wire(hit) for hit in hits])
            for query, hits in zip(queries, found.hits, strict=True)
        ],
        units=[unit_to_wire(source_id, unit) for source_id, unit in found.units],
        sources=[source_to_wire(source) for source in found.sources],
    )


def time_to_wire(moment: datetime) -> Timestamp:
    """An aware time."""
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def _span_to_wire(span: Span) -> pb.Span:
    return pb.Span(start=span.start, end=span.end)


def _table_to_wire(table: UnitTable) -> pb.UnitTable:
    rows = [pb.UnitTableRow(cells=row) for row in table.rows]
    return pb.UnitTable(caption=table.caption, header=table.header, rows=rows)


def _section_to_wire(section: Section) -> pb.OutlineSection:
    return pb.OutlineSection(
        heading_path=section.heading_path, words=section.words, tables=section.tables, lead=section.lead
    )


def _hit_to_wire(hit: Hit) -> pb.Hit:
    return pb.Hit(unit_id=hit.unit_id, score=hit.score, method=METHOD)
