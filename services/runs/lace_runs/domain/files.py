"""A file that a run reads, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from lace_runs.domain import steps
from lace_runs.domain.runs import StepRecord


class FileState(StrEnum):
    """Where a file is."""

    WAITING = "waiting"
    READING = "reading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class RunFile:
    """One file: `source_id` is empty for an object of the inbox that was not taken in."""

    source_id: str
    filename: str = ""
    state: FileState = FileState.WAITING
    units: int = 0
    words: int = 0
    pages: int = 0
    warnings: tuple[str, ...] = ()
    error_code: str = ""
    error_message: str = ""
    duration_ms: int = 0
    attempts: int = 0

    def veiled(self) -> RunFile:
        """What one may know of it who may not see the source."""
        return replace(self, filename="", warnings=(), error_message="")


def file_of(
    source_id: str, result: steps.Ingested | None, attempt: StepRecord | None, *, has_ended: bool, name: str = ""
) -> RunFile:
    """A file by its step's result and newest attempt, as far as there are any, and by whether the run has ended."""
    attempts = attempt.attempt if attempt else 0
    if result is not None:
        return RunFile(
            source_id,
            name or result.filename,
            FileState.READY if result.ok else FileState.FAILED,
            result.units,
            result.words,
            result.pages,
            result.warnings,
            result.error_code,
            result.error_message,
            result.duration_ms,
            max(attempts, 1),
        )
    if attempt is None:
        return RunFile(source_id, name)
    if not has_ended:
        return RunFile(source_id, name, FileState.READING, attempts=attempts)
    if attempt.state == "failed":
        failed = RunFile(source_id, name, FileState.FAILED, attempts=attempts)
        return replace(failed, error_code=attempt.error_code, error_message=attempt.error_message)
    return RunFile(source_id, name, attempts=attempts)  # the run ended over it
