"""The files of a run between wire messages and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

from lace.common.v1 import event_pb2
from lace.runs.v1 import runs_pb2
from lace_runs.domain.files import RunFile

_FIELDS = tuple(field.name for field in fields(RunFile) if field.name != "state")


def state_of(value: runs_pb2.RunFileState.ValueType) -> str:
    """The state's name, empty for the unset one."""
    return runs_pb2.RunFileState.Name(value).removeprefix("RUN_FILE_STATE_").lower() if value else ""


def files_message(files: Sequence[RunFile], counts: Mapping[str, int], token: str) -> runs_pb2.ListRunFilesResponse:
    """A page of files on the wire."""
    return runs_pb2.ListRunFilesResponse(
        files=[file_message(file) for file in files],
        next_page_token=token,
        counts=event_pb2.FileCounts(**counts),
    )


def file_message(file: RunFile) -> runs_pb2.RunFile:
    """One file on the wire."""
    values = {name: getattr(file, name) for name in _FIELDS}
    return runs_pb2.RunFile(**values, state=runs_pb2.RunFileState.Value(f"RUN_FILE_STATE_{file.state.name}"))
