"""Points at which a process may be killed: counted, written down, and used when the armed one comes."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class Place(StrEnum):
    """Where at a point the process dies."""

    BEFORE = "before"
    """Nothing of it has left the process."""
    BETWEEN = "between"
    """The other side has done it, and the answer has not reached this process."""
    AFTER = "after"
    """The answer has reached this process."""


@dataclass(frozen=True, order=True)
class Point:
    """The `ordinal`-th time (from 1) since the arming that a process does what `label` names."""

    kind: str
    label: str
    ordinal: int

    def __str__(self) -> str:
        return f"{self.kind}: {self.label} #{self.ordinal}"


class Journal:
    """A file of JSON lines, each written by one call, so that what was written before a kill is there after it."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, kind: str, label: str = "", **more: Any) -> None:
        """Add a line."""
        line = {"t": round(time.time(), 4), "kind": kind, "label": label, **more}
        os.write(self._descriptor, json.dumps(line).encode() + b"\n")


class Points:
    """What this process did since it was armed, and the point at which it dies; safe between threads."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._lock = threading.Lock()
        self._begun: Counter[tuple[str, str]] = Counter()
        self._done: Counter[tuple[str, str]] = Counter()
        self._armed: tuple[Point, Place] | None = None

    def arm(self, armed: tuple[Point, Place] | None) -> None:
        """Count from nothing again, and die at that place of that point; None never."""
        with self._lock:
            self._begun.clear()
            self._done.clear()
            self._armed = armed

    def begin(self, kind: str, label: str) -> None:
        """It is about to be done: dies here where the armed point is this one, before."""
        with self._lock:
            ordinal = self._done[kind, label] + 1
            self._strike(Point(kind, label, ordinal), Place.BEFORE)

    def done(self, kind: str, label: str, **more: Any) -> bool:
        """The other side has done it: dies here, or tells whether to die once the answer is passed on."""
        with self._lock:
            self._done[kind, label] += 1
            point = Point(kind, label, self._done[kind, label])
            self.journal.write(kind, label, **more)
            self._strike(point, Place.BETWEEN)
            return self._armed == (point, Place.AFTER)

    def die(self) -> None:
        """Die now, after the acknowledgement."""
        with self._lock:
            if self._armed is not None:
                self._strike(self._armed[0], Place.AFTER)

    def _strike(self, point: Point, place: Place) -> None:
        if self._armed == (point, place):
            self.journal.write("killed", point.label, point=asdict(point), place=place.value)
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)  # nothing of this process goes on before the signal is there
