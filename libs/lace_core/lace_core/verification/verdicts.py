"""What a verification comes to: a verdict, and the own verdict of each layer that looked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from msgspec import Struct

ABSTAINED = "abstained"
"""What a layer says that could not look; it lowers nothing."""


class Verdict(IntEnum):
    """How far evidence carries a sentence; lower is worse, so that layers combine by `min`."""

    CONTRADICTED = 0
    UNSUPPORTED = 1
    PARTIALLY = 2
    SUPPORTED = 3

    @property
    def word(self) -> str:
        """The name used on the wire and in SQL."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Verdict:
        """The verdict of that name; raises KeyError."""
        return cls[word.upper()]


class LayerVerdict(Struct, frozen=True, kw_only=True):
    """What one layer found: supported where it found nothing wrong, or a worse verdict's word, or abstained.

    `call_id` names the model's call where a judge gave the verdict.
    """

    layer: str
    verdict: str
    finding: str
    call_id: str = ""

    @property
    def told(self) -> str:
        """In one line, as `reasons` has it."""
        return f"{self.layer}: {self.finding}"


class Acceptance(Struct, frozen=True, kw_only=True):
    """A person's decision that a sentence stands which the rules could not decide; the time is ISO 8601 in UTC."""

    accepted_by: str
    accepted_at: str
    reason: str


@dataclass(frozen=True)
class Judged:
    """The verdict on one sentence; `reasons` tell the layers' findings in one line each, the telling one last."""

    verdict: Verdict
    reasons: tuple[str, ...]
    layers: tuple[LayerVerdict, ...] = ()
