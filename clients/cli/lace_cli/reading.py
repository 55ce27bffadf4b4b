"""How far the reading of many files is, over all the runs that read them, and how that is shown."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import typer

from lace.common.v1 import event_pb2

_PLAIN_STEP = 10.0


@dataclass
class Tally:
    """Files of a whole command; those of the run under way are counted as its events tell, the others are done."""

    total: int
    now: Callable[[], float] = time.monotonic
    ready: int = 0
    failed: int = 0
    there: int = 0  # were read before
    _run: event_pb2.FileCounts = field(default_factory=event_pb2.FileCounts)
    _began: float = 0.0

    def __post_init__(self) -> None:
        self._began = self.now()

    def take(self, event: event_pb2.RunEvent) -> None:
        """One more event of the run under way."""
        payload = event.payload
        kind = payload.WhichOneof("kind")
        counts = event_pb2.FileCounts()
        if kind == "run_progress_v2" and payload.run_progress_v2.HasField("files"):
            counts = payload.run_progress_v2.files
        elif kind == "run_completed" and payload.run_completed.HasField("files"):
            counts = payload.run_completed.files
        else:
            return
        self._run.CopyFrom(counts)

    def settle(self, files: int) -> None:
        """The run under way, which was given so many files, has ended: what it did not read could not be read."""
        read = self._run.total or files
        self.total -= files - read  # the same file given twice is one
        self.ready += self._run.ready
        self.failed += read - self._run.ready
        self._run.Clear()

    @property
    def done(self) -> int:
        """Files of which it is known what became of them."""
        return self.there + self.ready + self.failed + self._run.ready + self._run.failed

    @property
    def run_total(self) -> int:
        """Files of the run under way, as far as it is known."""
        return self._run.total

    @property
    def unreadable(self) -> int:
        """Files that could not be read so far."""
        return self.failed + self._run.failed

    @property
    def per_minute(self) -> float:
        """Files read or refused in a minute, so far."""
        seconds = self.now() - self._began
        return 60 * (self.done - self.there) / seconds if seconds > 0 else 0.0

    @property
    def words(self) -> str:
        """`118 of 200 files, 340/min, 2 could not be read`."""
        text = f"{self.done} of {self.total} files, {self.per_minute:.0f}/min"
        return f"{text}, {self.unreadable} could not be read" if self.unreadable else text


class Show(Protocol):
    """Brings what is shown up to date."""

    def __call__(self, activity: str = "") -> None:
        """With what is being done where it is not the reading."""


@contextmanager
def shown(tally: Tally, *, quiet: bool) -> Iterator[Show]:
    """A moving bar on a terminal, plain lines every ten per cent elsewhere, nothing where quiet."""
    if quiet:
        yield lambda activity="": None
    elif sys.stdout.isatty():
        with _bar(tally) as show:
            yield show
    else:
        yield _lines(tally)


def follow_files(events: Iterable[event_pb2.RunEvent], tally: Tally, show: Show) -> None:
    """Follows a run that reads files to its end."""
    for event in events:
        tally.take(event)
        show()


@contextmanager
def _bar(tally: Tally) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("{task.fields[words]}"),
    )
    with Progress(*columns, console=Console()) as progress:
        task = progress.add_task("Reading", total=max(1, tally.total), words="")

        def show(activity: str = "") -> None:
            words = f"{tally.words} · {activity}" if activity else tally.words
            progress.update(task, completed=tally.done, words=words)

        yield show


def _lines(tally: Tally) -> Show:
    last = -_PLAIN_STEP

    def show(activity: str = "") -> None:
        nonlocal last
        percent = 100 * tally.done / max(1, tally.total)
        # A log wants to know that it goes on, not every tick of it.
        if percent >= last + _PLAIN_STEP or (percent >= 100 > last):
            last = percent
            typer.echo(f"Reading  {percent:3.0f} %  {tally.words}")

    return show
