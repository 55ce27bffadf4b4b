"""The gateway's own tunables, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class GatewaySettings:
    """The gateway's limits.

    Bytes and levels of nesting of a JSON body at most; seconds between heartbeats, of a call, and of a model's call.
    """

    max_body_bytes: int
    max_json_depth: int
    heartbeat_s: float
    deadline_s: float
    model_deadline_s: float

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> GatewaySettings:
        """Out of resolved settings by key."""
        return cls(
            max_body_bytes=values["gateway.max_body_bytes"],
            max_json_depth=values["gateway.max_json_depth"],
            heartbeat_s=values["gateway.heartbeat_ms"] / 1000,
            deadline_s=float(values["gateway.deadline_s"]),
            model_deadline_s=float(values["gateway.model_deadline_s"]),
        )
