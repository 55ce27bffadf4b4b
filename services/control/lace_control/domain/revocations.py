"""Revocations: one gapless sequence of epochs, each of which voids identities issued before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Subject = Literal["token", "principal", "run"]

# Longer than any identity lives: what an older revocation voids has expired by itself.
STILL_MATTERS = timedelta(minutes=65)


@dataclass(frozen=True)
class Revocation:
    """One revocation: identities of the subject that were issued at an earlier epoch are void."""

    epoch: int
    subject: Subject
    subject_id: str
    revoked_at: datetime
