"""What the use cases of batches share, and what they answer with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lace_llm_gateway.app.batches.ports import BatchUnits
from lace_llm_gateway.app.batches.tasks import TaskRunner
from lace_llm_gateway.app.templates.sealed import Templates
from lace_llm_gateway.domain.batches import Batch, Progress

Request = tuple[str, bytes]  # route and canonical JSON of what was asked, for the Idempotency-Key


@dataclass(frozen=True)
class Batching:
    """What the use cases share."""

    templates: Templates
    units: BatchUnits
    runner: TaskRunner
    answers: Answers


@dataclass(frozen=True)
class BatchView:
    """A batch and how far it is."""

    batch: Batch
    progress: Progress


class Answers(Protocol):
    """How an answer is kept under its Idempotency-Key: whoever repeats the request is told the same to the letter."""

    def encode(self, view: BatchView) -> bytes:
        """The answer as it is kept."""
        ...

    def decode(self, kept: bytes) -> BatchView:
        """The answer, as far as it is told; the variables' values are not."""
        ...
