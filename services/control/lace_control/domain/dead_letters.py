"""Messages that no consumer could handle: what they died of, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from lace_core.errors import LaceError, Reason
from lace_core.ids import derive


class DeadLetterState(StrEnum):
    """What became of a dead letter; only a dead one changes its state."""

    DEAD = "dead"
    REDRIVEN = "redriven"
    DISCARDED = "discarded"


@dataclass(frozen=True)
class DeadLetter:
    """A message that a group gave up, with the last error; `payload` is its text, times are aware UTC.

    `redrive_of` names the earlier dead letter of the same message, sent again and failed again.
    """

    dead_letter_id: str
    tenant_id: str
    topic: str
    key: str
    group: str
    event_id: str
    error_code: str
    error_message: str
    attempts: int
    created_at: datetime
    died_at: datetime
    schema_version: int = 1
    payload: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    redrive_of: str = ""
    state: DeadLetterState = DeadLetterState.DEAD
    settled_at: datetime | None = None
    settled_by: str = ""

    def brief(self) -> DeadLetter:
        """Without payload and headers."""
        return replace(self, payload="", headers={})


@dataclass(frozen=True)
class Search:
    """Which dead letters are looked for; empty texts and None mean any."""

    topic: str = ""
    state: DeadLetterState | None = None
    tenant_id: str = ""


def letter_id(topic: str, group: str, event_id: str, redrive_of: str) -> str:
    """The id of a letter, derived so that its second delivery is known, and a second death is another letter."""
    return derive("dlt", topic, group, event_id, redrive_of)


def settled(letter: DeadLetter, state: DeadLetterState, by: str, at: datetime) -> DeadLetter:
    """The letter in its last state. Raises DEAD_LETTER_SETTLED where it has one already."""
    if letter.state is not DeadLetterState.DEAD:
        message = f"{letter.dead_letter_id} was {letter.state.value} already."
        raise LaceError(Reason.DEAD_LETTER_SETTLED, message)
    return replace(letter, state=state, settled_by=by, settled_at=at)


def dead_letter_not_found(dead_letter_id: str) -> LaceError:
    """The same answer for a letter that does not exist and for another tenant's."""
    return LaceError(Reason.DEAD_LETTER_NOT_FOUND, f"No dead letter {dead_letter_id}.")
