"""Events of runs as messages."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import msgspec

from lace.common.v1 import event_pb2
from lace.runs.v1 import runs_pb2
from lace_proto import json as wire_json
from lace_proto.json_plain import is_plain
from lace_runs.app.event_content import EventContent
from lace_runs.domain.events import Event

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PAYLOADS_ARE_PLAIN = is_plain(event_pb2.EventPayload.DESCRIPTOR)
_REDACTION_LEVELS = {
    name.removeprefix("REDACTION_LEVEL_").lower(): value for name, value in event_pb2.RedactionLevel.items()
}


def event_message(event: Event) -> event_pb2.RunEvent:
    """An event on the wire; raises LaceError for a payload that no release of ours can have written."""
    payload = event.draft.payload
    if _PAYLOADS_ARE_PLAIN:
        with contextlib.suppress(TypeError, ValueError):
            return _event_message(event, payload)
    return _event_message(event, wire_json.from_python(event_pb2.EventPayload, dict(payload)))


def event_json(event: Event) -> bytes:
    """An event in its REST JSON form, as the bus carries it."""
    return wire_json.to_json(event_message(event))


def _event_message(event: Event, payload: Any) -> event_pb2.RunEvent:
    """`payload` is a message or what its constructor takes: events are read by the hundred thousand."""
    draft = event.draft
    since_epoch = draft.occurred_at - _EPOCH
    occurred_at: Any = {
        "seconds": since_epoch.days * 86_400 + since_epoch.seconds,
        "nanos": since_epoch.microseconds * 1000,
    }
    return event_pb2.RunEvent(
        event_id=event.event_id,
        event_type=draft.event_type,
        schema_version=event.schema_version,
        occurred_at=occurred_at,
        sequence=event.sequence,
        tenant_id=event.tenant_id,
        pipeline_id=event.pipeline_id,
        run_id=event.run_id,
        step_id=draft.step_id,
        attempt=draft.attempt,
        request_id=event.request_id,
        correlation_id=event.correlation_id,
        idempotency_key=event.idempotency_key,
        status=draft.status,
        progress_pct=event.progress_pct,
        payload_schema_version=draft.payload_schema_version,
        payload=payload,
        redaction_level=_REDACTION_LEVELS[draft.redaction_level],
        content_hash=draft.content_hash,
        content_uri=draft.content_uri,
        traceparent=event.traceparent,
    )


def event_content_message(content: EventContent) -> runs_pb2.EventContent:
    """An event's whole content on the wire."""
    draft = content.event.draft
    return runs_pb2.EventContent(
        event_id=content.event.event_id,
        event_type=draft.event_type,
        media_type=_media_type(content.data),
        content_hash=draft.content_hash,
        size_bytes=len(content.data),
        content=content.data.decode(),
    )


def _media_type(data: bytes) -> str:
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except msgspec.DecodeError:
        return "text/plain"
    return "application/json"
