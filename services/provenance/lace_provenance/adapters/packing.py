"""Transformation logs as segments, the rows that they are kept in, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from hashlib import sha256
from operator import attrgetter
from typing import Any

import msgspec
import orjson

from lace_core.errors import LaceError, Reason
from lace_provenance.domain.logs import EntityRef, TransformationLog

# What stands in columns, and what each log says of its own in any case.
_IN_COLUMNS = {"id", "tenant_id"}
_ALWAYS_OWN = ("started_at", "ended_at")
_PARTS = frozenset({"lineage", "provenance", "pedigree", "security", "retention", "governance"})
_DEFAULTS = {
    field.name: None if field.default is MISSING else field.default
    for field in fields(TransformationLog)
    if field.name not in _IN_COLUMNS and field.name not in _ALWAYS_OWN
}
_MEMBERS = attrgetter(*_DEFAULTS)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


@dataclass
class Mention:
    """One content of an entity in a segment, by hashes, and when the first and last log ended that name it."""

    entity: int
    content: int
    first_ended_at: datetime
    last_ended_at: datetime
    generated: bool = False
    used: bool = False


def key_of(text: str) -> int:
    """A signed number of 64 bits that stands for the text; two texts could have the same."""
    return int.from_bytes(sha256(text.encode()).digest()[:8], signed=True)


def entity_key(tenant_id: str, entity_id: str) -> int:
    """The key of a tenant's entity."""
    return key_of(f"{tenant_id}/{entity_id}")


def subject_of(log: TransformationLog) -> str:
    """What the log is kept under: its run, or outside runs itself."""
    return log.run_id or log.id


def rows_json(logs: Iterable[TransformationLog]) -> bytes:
    """The rows that keep the logs, as a JSON array; each log is in one of them. Raises INVALID_ARGUMENT for NUL."""
    groups: dict[tuple[object, ...], list[TransformationLog]] = {}
    for log in logs:
        group = subject_of(log), log.security.abac_labels, log.retention.not_after
        groups.setdefault(group, []).append(log)
    packed = orjson.dumps([_row(group) for group in groups.values()])
    if b"\\u0000" in packed and _NUL.search(packed):
        raise LaceError(Reason.INVALID_ARGUMENT, "A log holds the character NUL, which cannot be kept.")
    return packed


def logs_of(row: Any) -> list[TransformationLog]:
    """The logs in a row, which has tenant_id, log_ids and payload, in the order that they came in."""
    payload = orjson.loads(row.payload)
    common = {**payload["common"], "tenant_id": row.tenant_id}
    merged = [{**common, **own, "id": log_id} for log_id, own in zip(row.log_ids, payload["logs"], strict=True)]
    return msgspec.convert(merged, list[TransformationLog])


def _row(logs: Sequence[TransformationLog]) -> dict[str, Any]:
    ends = [log.ended_at for log in logs]
    return {
        "first_ended_at": min(ends),
        "last_ended_at": max(ends),
        "not_after": logs[0].retention.not_after,
        "subject": subject_of(logs[0]),
        "abac_labels": logs[0].security.abac_labels,
        "log_ids": [log.id for log in logs],
        "payload": _payload(logs),
        "mentions": _mentions(logs),
    }


def _payload(logs: Sequence[TransformationLog]) -> dict[str, Any]:
    """What all logs say alike is said once; what is as it is by default is not said."""
    common: dict[str, Any] = {}
    own: list[dict[str, Any]] = [{name: getattr(log, name) for name in _ALWAYS_OWN} for log in logs]
    for (name, default), values in zip(_DEFAULTS.items(), zip(*map(_MEMBERS, logs), strict=True), strict=True):
        if values.count(values[0]) == len(values):
            if values[0] != default:
                common[name] = _said(name, values[0])
            continue
        for said, value in zip(own, values, strict=True):
            if value != default:
                said[name] = _said(name, value)
    return {"common": common, "logs": own}


def _said(name: str, value: Any) -> Any:
    """A member in JSON's terms; of a nested part only what says something: the rest has its defaults again."""
    return {of: member for of, member in vars(value).items() if member} if name in _PARTS else value


def _mentions(logs: Sequence[TransformationLog]) -> list[Mention]:
    found: dict[tuple[str, str], Mention] = {}
    for log in logs:
        for entity in log.outputs:
            _mention(found, log, entity).generated = True
        for entity in log.inputs:
            _mention(found, log, entity).used = True
    return list(found.values())


def _mention(found: dict[tuple[str, str], Mention], log: TransformationLog, entity: EntityRef) -> Mention:
    at = entity.entity_id, entity.content_hash
    known = found.get(at)
    if known is None:
        key = entity_key(log.tenant_id, entity.entity_id)
        known = found[at] = Mention(key, key_of(entity.content_hash), log.ended_at, log.ended_at)
    else:
        known.first_ended_at = min(known.first_ended_at, log.ended_at)
        known.last_ended_at = max(known.last_ended_at, log.ended_at)
    return known
