"""An envelope as a Kafka record: CloudEvents attributes and the envelope's own headers, and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from aiokafka import ConsumerRecord

from lace_platform.bus.envelope import DEAD_LETTER_SUFFIX, Envelope

# CloudEvents 1.0.2, Kafka binding, binary mode: attributes are headers with this prefix. All other headers are the
# envelope's.
_ATTRIBUTE = "ce_"
_CONTENT_TYPE = "content-type"


def headers_of(envelope: Envelope) -> list[tuple[str, bytes]]:
    """The record's headers; its key is the envelope's key and its value the payload.

    `type` is the topic's name, which for a run's events is their event_type; a dead letter keeps that of its message.
    An attribute that would be empty is left out, as CloudEvents allows no empty ones.
    """
    kind = envelope.topic.removesuffix(DEAD_LETTER_SUFFIX)
    attributes = {
        "specversion": "1.0",
        "id": envelope.id,
        "type": kind,
        "source": f"/tenants/{quote(envelope.tenant_id, safe='')}",
        "time": envelope.created_at.isoformat(),
        "subject": envelope.key,
        "dataschema": f"urn:lace:{quote(kind, safe='.')}:{envelope.schema_version}",
        "partitionkey": envelope.key,
        "tenantid": envelope.tenant_id,
        "schemaversion": str(envelope.schema_version),
    }
    for header, attribute in (("traceparent", "traceparent"), ("correlation_id", "correlationid")):
        if header in envelope.headers:
            attributes[attribute] = envelope.headers[header]
    named = {_CONTENT_TYPE: "application/json"}
    named |= {_ATTRIBUTE + name: value for name, value in attributes.items() if value}
    named |= {name: value for name, value in envelope.headers.items() if not _is_ours(name)}
    return [(name, value.encode()) for name, value in named.items()]


def envelope_of(record: ConsumerRecord[bytes | None, bytes | None]) -> Envelope:
    """The envelope of a record. Raises ValueError for a record that no bus of ours has written."""
    headers: Sequence[tuple[str, bytes]] = record.headers
    try:
        named = {name: value.decode() for name, value in headers}
        return Envelope(
            id=named["ce_id"],
            tenant_id=named.get("ce_tenantid", ""),
            topic=record.topic,
            key=(record.key or b"").decode(),
            payload=record.value or b"",
            schema_version=int(named["ce_schemaversion"]),
            headers={name: value for name, value in named.items() if not _is_ours(name)},
            created_at=datetime.fromisoformat(named["ce_time"]),
        )
    except (KeyError, ValueError) as error:
        raise ValueError(f"{record.topic}/{record.partition}@{record.offset} is not one of our messages") from error


def foreign_envelope_of(record: ConsumerRecord[bytes | None, bytes | None]) -> Envelope:
    """A record that is none of ours, under an id that names its place, so that it can be kept and shown."""
    return Envelope(
        id=f"rec-{record.topic}-{record.partition}-{record.offset}",
        tenant_id="",
        topic=record.topic,
        key=(record.key or b"").decode(errors="replace"),
        payload=record.value or b"",
        headers={name: value.decode(errors="replace") for name, value in record.headers if not _is_ours(name)},
        created_at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
    )


def _is_ours(header: str) -> bool:
    return header.startswith(_ATTRIBUTE) or header == _CONTENT_TYPE
