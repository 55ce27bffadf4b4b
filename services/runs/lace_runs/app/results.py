"""Reading what steps left: whole and known, or a coded error that says whether it is lost or of a newer version."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_runs.app.ports import Snapshots
from lace_runs.domain import steps as outputs
from lace_runs.domain.runs import Checkpoint


class ResultLost(LaceError):
    """A step's result is missing or was altered; `step_id` names the step, which can be done again."""

    def __init__(self, reason: Reason, message: str, step_id: str) -> None:
        super().__init__(reason, message)
        self.step_id = step_id


async def read_result(checkpoint: Checkpoint, snapshots: Snapshots) -> Struct:
    """A step's result, compared with its hash; raises ResultLost, or LaceError SCHEMA_TOO_NEW."""
    if checkpoint.output_type not in outputs.OUTPUTS:
        raise _too_new(checkpoint)
    data: bytes | str = checkpoint.data
    if checkpoint.uri:
        try:
            data = await snapshots.get(checkpoint.uri, checkpoint.output_hash)
        except LaceError as error:
            if error.reason not in (Reason.BLOB_NOT_FOUND, Reason.BLOB_CORRUPT):
                raise
            raise ResultLost(error.reason, error.message, checkpoint.step_id) from None
    elif sha256_hex(checkpoint.data.encode()) != checkpoint.output_hash:
        message = f"The result of {checkpoint.step_id} does not match its hash."
        raise ResultLost(Reason.BLOB_CORRUPT, message, checkpoint.step_id)
    try:
        return outputs.decode(checkpoint.output_type, data)
    except ValueError:
        # What matches its hash is as it was written: by somebody who writes this type otherwise.
        raise _too_new(checkpoint) from None


def require_known(checkpoints: Iterable[Checkpoint]) -> None:
    """Raises LaceError SCHEMA_TOO_NEW where a result is of a type that this version does not know."""
    for checkpoint in checkpoints:
        if checkpoint.output_type not in outputs.OUTPUTS:
            raise _too_new(checkpoint)


def _too_new(checkpoint: Checkpoint) -> LaceError:
    what = f"The result of {checkpoint.step_id} ({checkpoint.output_type})"
    return LaceError(Reason.SCHEMA_TOO_NEW, f"{what} is of a newer version; upgrade the workers.")
