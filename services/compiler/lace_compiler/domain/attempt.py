"""An order to compile one target, and the record of the attempt that answers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How an attempt ended; attempts are recorded when they have ended, so there is no third."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Order:
    """One target of one revision to compile, for a run that waits for it. `target` is as it was asked for.

    `verification` is the report on the revision (lace_core.verification.report) as JSON, empty where there is none.
    """

    job_id: str
    run_id: str
    tenant_id: str
    artifact_id: str
    revision_id: str
    ir_uri: str
    ir_sha256: str
    ir_hash: str
    target: str
    settings: Mapping[str, Any]
    verification: bytes = b""


@dataclass(frozen=True, slots=True)
class Cause:
    """The message that brought an order, and the trace and request it belongs to (empty where it names none)."""

    event_id: str
    tenant_id: str
    topic: str
    correlation_id: str = ""
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A compiled file as it is stored: `uri` is bucket/key, `sha256` hexadecimal, `size` in bytes."""

    uri: str
    sha256: str
    size: int
    media_type: str
    filename: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """One attempt, never changed once recorded: either there is a bundle, or an error code with its message.

    `labels` are those of the sources that the document cites: who lacks one does not see the attempt.
    """

    compiled_id: str
    artifact_id: str
    revision_id: str
    target: str
    attempt: int
    compiler_version: str
    settings_hash: str
    ir_hash: str
    created_at: datetime
    bundle: Bundle | None = None
    error_code: str = ""
    error_message: str = ""
    warnings: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        """Succeeded where there is a file."""
        return Status.SUCCEEDED if self.bundle else Status.FAILED


@dataclass(frozen=True, slots=True)
class Transformation:
    """What provenance is told of an attempt: why it was made, what went in, what came out, when it began."""

    cause: Cause
    order: Order
    compiled: Compiled
    origin: Origin
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Origin:
    """What the sources of a compiled document say about it: their ids and their security labels."""

    source_ids: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
