"""Payloads of events that more than one place of a run's life tells."""

from __future__ import annotations

from typing import Any

from lace_core.errors import LaceError
from lace_runs.domain.runs import Command


def error_payload(error: LaceError, subject: str) -> dict[str, Any]:
    """Of pipeline.error."""
    return {"error": {"code": error.reason.value, "message": error.message, "subject": subject}}


def step_payload(step: str, node_id: str, node_title: str, **told: Any) -> dict[str, Any]:
    """What tells of a step, for the node that it is about; texts that are empty are left out, as JSON reads them."""
    about = {"step": step, "node_id": node_id, "node_title": node_title, **told}
    return {name: value for name, value in about.items() if value != ""}


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
