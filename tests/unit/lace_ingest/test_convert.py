"""What goes out on the wire: every member has its counterpart, every field its value."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lace.ingest.v1 import ingest_pb2 as pb
from lace.provenance.v1 import provenance_pb2
from lace_core.errors import LaceError, Reason
from lace_ingest.api import convert
from lace_ingest.api.consumers import job_of
from lace_ingest.api.convert_vectors import progress_to_wire
from lace_ingest.api.events import COMPLETED, LOGGED, envelopes_of, transformation_of
from lace_ingest.app.vector_ports import Progress
from lace_ingest.domain.documents import Box, Span, Unit, UnitKind, UnitTable
from lace_ingest.domain.extraction_warnings import ExtractionWarning, WarningCode
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.jobs import ReadJob, Readout
from lace_ingest.domain.outlines import Outline, Section
from lace_ingest.domain.sources import Source, SourceState, as_failed
from lace_platform.bus import Envelope
from lace_proto import json as wire_json

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SOURCE = Source(
    source_id="src_1", filename="a.md", title="A", format=SourceFormat.MD, media_type="text/markdown", size_bytes=9,
    sha256="ab" * 32, raw_uri="lace-sources/x", created_at=NOW, created_by="prn_1", state=SourceState.READY,
    page_count=3, unit_count=4, word_count=5, extraction="md/x/lace-2+1200",
    warnings=(ExtractionWarning(WarningCode.OTHER, "odd", 2, 3),), labels=("l",), run_id="run_1",
    metadata={"author": "B"}, language="en", extractability=990, previous_source_id="src_0",
)  # fmt: skip
UNIT = Unit(
    "unt_1",
    7,
    UnitKind.TABLE,
    "A\n1",
    "cd" * 32,
    (Span(2, 3),),
    ("H", "I"),
    2,
    9,
    UnitTable(("A",), (("1",),), "C", (0,)),
    "py",
    11,
    14,
    (Box(2, 72.0, 80.5, 300.25, 94.0),),
    "*",
    ("unt_2",),
    ("unt_3",),
)
JOB = ReadJob("evt_1", "job_1", "run_1", "ten_1", "src_1", {})


def test_every_field_of_a_source_is_filled() -> None:
    wire = convert.source_to_wire(as_failed(SOURCE, LaceError(Reason.SOURCE_NO_TEXT, "nothing"), "run_1"))
    # How far its vectors are is told where one source is asked for.
    assert [field.name for field in pb.Source.DESCRIPTOR.fields if not getattr(wire, field.name)] == ["vectors"]


def test_progress_of_vectors_is_told_in_full() -> None:
    wire = progress_to_wire(Progress("local/tiny", 3, 9, 4, "PROVIDER_UNAVAILABLE"))
    assert (wire.model, wire.dimensions, wire.units, wire.embedded) == ("local/tiny", 3, 9, 4)
    assert wire.error_code == "PROVIDER_UNAVAILABLE"


def test_every_field_of_a_unit_is_filled() -> None:
    wire = convert.unit_to_wire("src_1", UNIT)
    assert [field.name for field in pb.Unit.DESCRIPTOR.fields if not getattr(wire, field.name)] == []
    assert (list(wire.table.header), list(wire.table.rows[0].cells), wire.table.caption) == (["A"], ["1"], "C")
    assert wire.text[wire.spans[0].start : wire.spans[0].end] == "1"


@pytest.mark.parametrize("kind", UnitKind)
def test_every_kind_of_unit_has_its_name(kind: UnitKind) -> None:
    wire = convert.unit_to_wire("src_1", Unit("u", 0, kind, "x", "h", ()))
    assert pb.UnitKind.Name(wire.kind) == f"UNIT_KIND_{kind.name}"


@pytest.mark.parametrize("state", SourceState)
@pytest.mark.parametrize("source_format", SourceFormat)
def test_every_state_and_format_has_its_name(state: SourceState, source_format: SourceFormat) -> None:
    wire = convert.source_to_wire(replace(SOURCE, state=state, format=source_format))
    assert pb.SourceState.Name(wire.state) == f"SOURCE_STATE_{state.name}"
    assert pb.SourceFormat.Name(wire.format) == f"SOURCE_FORMAT_{source_format.name}"
    assert convert.state_of(wire.state) is state


def test_no_state_asks_for_all() -> None:
    assert convert.state_of(pb.SOURCE_STATE_UNSPECIFIED) is None


def test_outlines_keep_their_sections() -> None:
    wire = convert.outline_to_wire(Outline(SOURCE, (Section(("H",), 5, 1, "Lead."),)))
    assert wire.sections[0] == pb.OutlineSection(heading_path=["H"], words=5, tables=1, lead="Lead.")


def test_news_of_a_reading_goes_to_the_run_and_to_provenance() -> None:
    completed, logged = envelopes_of(Readout(JOB, SOURCE, NOW, NOW, "lace-sources/u", "ef" * 32))
    assert (completed.topic, completed.key, completed.tenant_id) == (COMPLETED, "job_1", "ten_1")
    answer = wire_json.from_json(pb.SourceIngestCompleted, completed.payload)
    assert (answer.job_id, answer.run_id, answer.tenant_id) == ("job_1", "run_1", "ten_1")
    assert answer.source == convert.source_to_wire(SOURCE)
    assert logged.topic == LOGGED
    log = wire_json.from_json(provenance_pb2.TransformationLog, logged.payload)
    assert (log.inputs[0].content_hash, log.outputs[0].content_hash) == (SOURCE.sha256, "ef" * 32)
    assert log.lineage.status == "complete"
    assert (list(log.provenance.sources), list(log.security.abac_labels)) == (["src_1"], ["l"])


def test_a_log_says_what_failed_and_has_one_id_for_one_message() -> None:
    failed = as_failed(SOURCE, LaceError(Reason.SOURCE_NO_TEXT, "nothing"), "run_1")
    log = transformation_of(Readout(JOB, failed, NOW, NOW))
    assert (log.lineage.status, list(log.outputs)) == ("fail", [])
    assert list(log.pedigree.risk_flags) == ["odd", "SOURCE_NO_TEXT"]
    assert log.id == transformation_of(Readout(JOB, SOURCE, NOW, NOW)).id


def test_a_message_is_a_job_with_all_settings() -> None:
    asked = pb.SourceIngestRequested(
        job_id="job_1", run_id="run_1", tenant_id="other", source_id="src_1", settings_json='{"ingest.max_pages": 3}'
    )
    job = job_of(Envelope("evt_1", "ten_1", "source.ingest.requested", "k", wire_json.to_json(asked)))
    assert (job.event_id, job.job_id, job.tenant_id, job.source_id) == ("evt_1", "job_1", "ten_1", "src_1")
    assert job.settings["ingest.max_pages"] == 3
    assert job.settings["ingest.max_bytes"] == 52_428_800


def test_a_message_that_is_no_job_is_refused() -> None:
    with pytest.raises(LaceError) as refused:
        job_of(Envelope("evt_1", "ten_1", "t", "k", b'{"nonsense": 1}'))
    assert refused.value.reason is Reason.UNKNOWN_FIELD
