"""How long a step and a run may take, and how often a step is tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lace_core.pipeline import Step


@dataclass(frozen=True)
class StepLimits:
    """Seconds after which an attempt is given up, attempts at most, and seconds to wait for a part that is away."""

    timeout_s: float
    attempts: int
    outage_s: float


def step_limits(step: Step, settings: Mapping[str, Any]) -> StepLimits:
    """What holds for a step: the pipeline's own word, else that of the settings for its kind, else for all steps."""
    timeouts, attempts = settings.get("runs.step_timeouts", {}), settings.get("runs.step_max_attempts", {})
    everywhere = settings["runs.job_timeout_s" if step.mode == "job" else "runs.step_timeout_s"]
    return StepLimits(
        timeout_s=float(step.timeout_s or timeouts.get(step.name) or everywhere),
        attempts=int(step.max_attempts or attempts.get(step.name) or settings["runs.step_attempts"]),
        outage_s=float(settings.get("runs.outage_s", 0)),  # runs of an older version pinned none
    )
