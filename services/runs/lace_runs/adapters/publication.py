"""Events leave by reference: an outbox row names a stretch of a run's events, which are read when it is published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import orjson

from lace_core.ids import derive
from lace_platform.bus import Envelope
from lace_platform.db.transaction import Transaction
from lace_runs.adapters.event_groups import MOST
from lace_runs.adapters.events import EVENT_COLUMNS, events_of
from lace_runs.app.ports import EVENT_REFERENCE
from lace_runs.domain import openlineage
from lace_runs.domain.events import Event

# The same stretch twice gives its events once: the rows are told apart by their number.
_REFERRED = f"""
    SELECT {EVENT_COLUMNS}, named.first, named.last, named.place
    FROM unnest(CAST(:run_ids AS text[]), CAST(:firsts AS bigint[]), CAST(:lasts AS bigint[]))
      WITH ORDINALITY AS named(run_id, first, last, place)
    JOIN runs.runs r ON r.run_id = named.run_id
    JOIN runs.event_groups g ON g.run_id = named.run_id
      AND g.last_sequence >= named.first AND g.last_sequence < named.last + {MOST}
    ORDER BY named.place, g.last_sequence
"""
_DATASETS = """
    SELECT r.run_id, r.request -> 'source_ids' AS source_ids, r.request ->> 'bundle_id' AS bundle_id,
           (r.request ->> 'bundle_version')::integer AS bundle_version, r.artifact_id, r.revision_id, coalesce((
      SELECT e.sequence FROM runs.run_events e
      WHERE e.run_id = r.run_id AND e.event_type = 'pipeline.run.started' ORDER BY e.sequence LIMIT 1), 0) AS started
    FROM runs.runs r WHERE r.run_id = ANY(:run_ids)
"""


class EventPublication:
    """The relay's `expand`: references become the envelopes of their events, and the OpenLineage events with them.

    `encode` gives an event's REST JSON form. `lineage` is whether OpenLineage events are told.
    """

    def __init__(self, encode: Callable[[Event], bytes], *, lineage: bool) -> None:
        self._encode = encode
        self._lineage = lineage

    async def __call__(self, tx: Transaction, envelopes: Sequence[Envelope]) -> Sequence[Envelope]:
        """The envelopes to publish, in order."""
        references = [envelope for envelope in envelopes if envelope.topic == EVENT_REFERENCE]
        if not references:
            return envelopes
        found = await _events(tx, references)
        datasets = await self._datasets(tx, [event for events in found.values() for event in events])
        published: list[Envelope] = []
        for envelope in envelopes:
            if envelope.topic != EVENT_REFERENCE:
                published.append(envelope)
                continue
            for event in found.get(envelope.id, ()):
                published.append(self._envelope(event))
                published.extend(_lineage(event, datasets))
        return published

    async def _datasets(self, tx: Transaction, events: Sequence[Event]) -> Mapping[str, openlineage.Datasets]:
        run_ids = {event.run_id for event in events if event.draft.event_type in openlineage.TYPES}
        if not run_ids or not self._lineage:
            return {}
        rows = await tx.fetch_all(_DATASETS, {"run_ids": sorted(run_ids)})
        return {
            row.run_id: openlineage.Datasets(
                row.source_ids or (),
                row.artifact_id,
                row.revision_id,
                row.started,
                row.bundle_id or "",
                row.bundle_version or 0,
            )
            for row in rows
        }

    def _envelope(self, event: Event) -> Envelope:
        return Envelope(
            id=event.event_id,
            tenant_id=event.tenant_id,
            topic=event.draft.event_type,
            key=event.run_id,
            payload=self._encode(event),
            schema_version=event.schema_version,
            headers=_headers(event),
            created_at=event.draft.occurred_at,
        )


async def _events(tx: Transaction, references: Sequence[Envelope]) -> Mapping[str, Sequence[Event]]:
    """The events of each reference, by its id."""
    stretches = [orjson.loads(reference.payload) for reference in references]
    parameters = {
        "run_ids": [reference.key for reference in references],
        "firsts": [stretch["first"] for stretch in stretches],
        "lasts": [stretch["last"] for stretch in stretches],
    }
    found: dict[str, list[Event]] = {}
    for row in await tx.fetch_all(_REFERRED, parameters):
        *group, first, last, place = list(row)
        events = [event for event in events_of(group, first - 1) if event.sequence <= last]
        found.setdefault(references[place - 1].id, []).extend(events)
    return found


def _lineage(event: Event, datasets: Mapping[str, openlineage.Datasets]) -> list[Envelope]:
    if event.run_id not in datasets or event.draft.event_type not in openlineage.TYPES:
        return []
    return [
        Envelope(
            id=derive("olr", event.event_id, topic),
            tenant_id=event.tenant_id,
            topic=topic,
            key=event.run_id,
            payload=orjson.dumps(told),
            headers=_headers(event),
            created_at=event.draft.occurred_at,
        )
        for topic, told in openlineage.run_events(event, datasets[event.run_id])
    ]


def _headers(event: Event) -> dict[str, str]:
    named = {
        "traceparent": event.traceparent,
        "correlation_id": event.correlation_id,
        "request_id": event.request_id,
    }
    return {name: value for name, value in named.items() if value}
