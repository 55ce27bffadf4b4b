"""The one mapping between the domain and the wire messages of lace.ingest.v1."""

from __future__ import annotations

from lace.ingest.v1 import ingest_pb2 as pb
from lace_ingest.app.ports import Caller
from lace_ingest.domain.documents import Box, Span, Unit, UnitKind, UnitTable
from lace_ingest.domain.extraction_warnings import ExtractionWarning
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.outlines import Outline, Section
from lace_ingest.domain.sources import Source, SourceState
from lace_platform.rpc import CallContext
from lace_proto.times import to_timestamp

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
    UnitKind.FOOTNOTE: pb.UNIT_KIND_FOOTNOTE,
    UnitKind.ENDNOTE: pb.UNIT_KIND_ENDNOTE,
}
_STATE_OF = {wire: state for state, wire in _STATES.items()}


def caller_of(call: CallContext) -> Caller:
    """Who calls; raises TOKEN_MISSING where nobody does."""
    return Caller(call.tenant_id, call.principal_id, call.labels)


def state_of(wire: pb.SourceState.ValueType) -> SourceState | None:
    """The state asked for; None where it is unset."""
    return _STATE_OF.get(wire)


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
        warnings=[warning.message for warning in source.warnings],
        labels=source.labels,
        created_at=to_timestamp(source.created_at),
        created_by=source.created_by,
        raw_uri=source.raw_uri,
        metadata=source.metadata,
        language=source.language,
        extractability=source.extractability,
        extraction_warnings=[warning_to_wire(warning) for warning in source.warnings],
        series_id=source.series_id,
        version=source.version,
        previous_source_id=source.previous_source_id,
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
        start_offset=unit.start,
        end_offset=unit.end,
        boxes=[_box_to_wire(box) for box in unit.boxes],
        note_mark=unit.note_mark,
        referred_from=unit.referred_from,
        notes=unit.notes,
        line=unit.line,
    )


def warning_to_wire(warning: ExtractionWarning) -> pb.ExtractionWarning:
    """A warning."""
    return pb.ExtractionWarning(
        code=warning.code.value, message=warning.message, page=warning.page, count=warning.count
    )


def outline_to_wire(outline: Outline) -> pb.SourceOutline:
    """The outline of a source."""
    return pb.SourceOutline(
        source=source_to_wire(outline.source), sections=[_section_to_wire(section) for section in outline.sections]
    )


def _span_to_wire(span: Span) -> pb.Span:
    return pb.Span(start=span.start, end=span.end)


def _table_to_wire(table: UnitTable) -> pb.UnitTable:
    rows = [pb.UnitTableRow(cells=row, told=table.told(at)) for at, row in enumerate(table.rows)]
    return pb.UnitTable(caption=table.caption, header=table.header, rows=rows, head_columns=table.head_columns)


def _box_to_wire(box: Box) -> pb.Box:
    return pb.Box(page=box.page, x0=box.x0, y0=box.y0, x1=box.x1, y1=box.y1)


def _section_to_wire(section: Section) -> pb.OutlineSection:
    return pb.OutlineSection(
        heading_path=section.heading_path, words=section.words, tables=section.tables, lead=section.lead
    )
