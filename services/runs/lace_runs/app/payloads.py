"""Payloads of events that more than one place of a run's life tells."""

from __future__ import annotations

from typing import Any

from lace_core.errors import LaceError
from lace_runs.domain.runs import Command


def error_payload(error: LaceError, subject: str) -> dict[str, Any]:
    """Of pipeline.error."""
    return {"error": {"code": error.reason.value, "message": error.message, "subject": subject}}


def controlled_payload(command: Command) -> dict[str, Any]:
    """Of what tells that a command was taken up."""
    return {
        "run_controlled": {
            "command_id": command.command_id,
            "requested_by": command.requested_by,
            "reason": command.reason,
            "from_step_id": command.from_step_id,
        }
    }
