"""An envelope as a Kafka record and back, and its CloudEvents attributes."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from lace_platform.bus import Envelope
from lace_platform.bus.kafka_record import envelope_of, foreign_envelope_of, headers_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
HEADER = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).filter(lambda name: name != "content-type")
ENVELOPES = st.builds(
    Envelope,
    id=TEXT.filter(bool),
    tenant_id=TEXT,
    topic=st.sampled_from(["compile.requested", "compile.requested.dlq"]),
    key=TEXT,
    payload=st.binary(max_size=50),
    schema_version=st.integers(1, 1000),
    headers=st.dictionaries(HEADER, TEXT, max_size=4),
    created_at=st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)),
)


def _record(envelope: Envelope, headers: list[tuple[str, bytes]]) -> ConsumerRecord[bytes | None, bytes | None]:
    return ConsumerRecord(
        topic=envelope.topic,
        partition=0,
        offset=7,
        timestamp=0,
        timestamp_type=0,
        key=envelope.key.encode(),
        value=envelope.payload,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=tuple(headers),
    )


@given(ENVELOPES)
def test_what_goes_in_comes_out(envelope: Envelope) -> None:
    assert envelope_of(_record(envelope, headers_of(envelope))) == envelope


@given(ENVELOPES)
def test_attribute_names_are_what_cloudevents_allows(envelope: Envelope) -> None:
    names = [name.removeprefix("ce_") for name, _ in headers_of(envelope) if name.startswith("ce_")]
    assert {"specversion", "id", "type", "source", "time"} <= set(names)
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in names)
    assert all(value for name, value in headers_of(envelope) if name.startswith("ce_")), "none may be empty"


def test_the_attributes_of_a_message() -> None:
    headers = {"correlation_id": "c-1", "traceparent": "00-x"}
    envelope = Envelope("evt_1", "ten_1", "compile.requested", "run_1", b"{}", schema_version=2, headers=headers)
    named = dict(headers_of(envelope))
    assert named["ce_type"] == b"compile.requested"
    assert named["ce_dataschema"] == b"urn:lace:compile.requested:2"
    assert named["ce_subject"] == b"run_1"
    assert named["ce_source"] == b"/tenants/ten_1"
    assert named["ce_partitionkey"] == b"run_1"
    assert named["ce_correlationid"] == b"c-1"
    assert named["ce_traceparent"] == named["traceparent"] == b"00-x"
    assert named["content-type"] == b"application/json"


@pytest.mark.parametrize("headers", [[], [("ce_id", b"evt_1")], [("ce_id", b"\xff")]])
def test_a_foreign_record_is_told_by_its_place(headers: list[tuple[str, bytes]]) -> None:
    envelope = Envelope("evt_1", "ten_1", "compile.requested", "run_1", b"{}")
    with pytest.raises(ValueError, match=r"compile.requested/0@7"):
        envelope_of(_record(envelope, headers))
    kept = foreign_envelope_of(_record(envelope, headers))
    assert (kept.id, kept.tenant_id, kept.topic, kept.key) == (
        "rec-compile.requested-0-7",
        "",
        "compile.requested",
        "run_1",
    )
    assert envelope_of(_record(kept, headers_of(kept))) == kept, "it can go to the dead letters"
