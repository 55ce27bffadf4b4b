"""The versions of the event schema, and what makes an event of one version one of another.

The schema's version is that of the envelope and of every type's payload together: each version pins, by type, the
version of the payload. Events are stored in the version of the release that wrote them and never rewritten; they are
cast when they are read. The newest version and the one before it are served.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lace_core.errors import LaceError, Reason
from lace_runs.domain.events import SCHEMA_VERSION, Event, EventDraft, payload_version

Payload = Mapping[str, Any]
Cast = Callable[[Payload], Payload]

OLDEST_SERVED = SCHEMA_VERSION - 1
_MOST_CASTS = 32
_HAS_HASH_LEVEL = 2


def asked_version(schema_version: int) -> int:
    """The version to serve to who asks for this one, 0 for the newest; raises LaceError EVENT_SCHEMA_UNSUPPORTED."""
    if schema_version == 0:
        return SCHEMA_VERSION
    if not OLDEST_SERVED <= schema_version <= SCHEMA_VERSION:
        raise LaceError(
            Reason.EVENT_SCHEMA_UNSUPPORTED,
            f"There is no event schema {schema_version} here; use {SCHEMA_VERSION} or {OLDEST_SERVED}.",
        )
    return schema_version


def as_version(event: Event, schema_version: int) -> Event:
    """The event as that version of the schema has it; the same object where it has it already.

    Raises LaceError SCHEMA_TOO_NEW for an event that a newer release wrote in a form unknown here.
    """
    if event.schema_version == schema_version:
        return event
    kind = event.draft.event_type
    wanted = payload_version(kind, schema_version)
    payload = cast_payload(kind, event.draft.payload, event.draft.payload_schema_version, wanted)
    level = event.draft.redaction_level
    if schema_version < _HAS_HASH_LEVEL and level == "hash":
        level = "sample"  # one that is empty; the older envelope has no word for it
    draft: EventDraft = replace(event.draft, payload=payload, payload_schema_version=wanted, redaction_level=level)
    return replace(event, draft=draft, schema_version=schema_version)


def cast_payload(
    event_type: str,
    payload: Payload,
    from_version: int,
    to_version: int,
    casts: Mapping[tuple[str, int, int], Cast] | None = None,
) -> Payload:
    """The payload in another version, one step at a time; raises LaceError SCHEMA_TOO_NEW."""
    known = CASTS if casts is None else casts
    version = from_version
    for _ in range(_MOST_CASTS):
        if version == to_version:
            return payload
        following = version + (1 if to_version > version else -1)
        step = known.get((event_type, version, following))
        if step is None:
            break
        payload, version = step(payload), following
    raise LaceError(
        Reason.SCHEMA_TOO_NEW,
        f"A payload of {event_type}, version {from_version}, has no form in version {to_version}; upgrade this one.",
        retryable=True,
    )


def _progress_2_of_1(payload: Payload) -> Payload:
    old = payload["run_progress"]
    new: dict[str, Any] = {"steps_done": old["steps_done"], "steps_total": old["steps_total"]}
    if old["node_title"]:
        new["node"] = {"node_id": "", "title": old["node_title"]}
    if old["remaining_ms"] >= 0:
        new["remaining_ms"] = old["remaining_ms"]
    return {"run_progress_v2": new}


def _progress_1_of_2(payload: Payload) -> Payload:
    new = payload["run_progress_v2"]
    return {
        "run_progress": {
            "steps_done": new["steps_done"],
            "steps_total": new["steps_total"],
            "node_title": new.get("node", {}).get("title", ""),
            "remaining_ms": new.get("remaining_ms", -1),
        }
    }


CASTS: Mapping[tuple[str, int, int], Cast] = {
    ("pipeline.run.progress", 1, 2): _progress_2_of_1,
    ("pipeline.run.progress", 2, 1): _progress_1_of_2,
}
