"""The asynchronous bus: one port, with adapters on Postgres, on Kafka and in memory."""

from __future__ import annotations

from lace_platform.bus.envelope import Envelope
from lace_platform.bus.port import Bus, Consumption, Handler

__all__ = ["Bus", "Consumption", "Envelope", "Handler"]
