"""Progress as it is shown: a moving bar on a terminal, plain lines everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import typer

from lace.common.v1 import event_pb2
from lace_cli.progress import RunView

_LONGEST_ACTIVITY = 58
_PLAIN_STEP = 10.0


def follow(title: str, events: Iterable[event_pb2.RunEvent], view: RunView | None = None) -> RunView:
    """Shows a run's events as they come, to its end or to theirs; what is known then."""
    view = view or RunView()
    if sys.stdout.isatty():
        _follow_with_bar(title, events, view)
    else:
        _follow_in_lines(title, events, view)
    return view


def _follow_with_bar(title: str, events: Iterable[event_pb2.RunEvent], view: RunView) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[activity]}"),
        TextColumn("[dim]{task.fields[left]}"),
    )
    with Progress(*columns, console=Console()) as progress:
        task = progress.add_task(title, total=100.0, activity="", left="")
        for event in events:
            view.take(event)
            activity = "" if view.is_over else _shortened(view.activity)
            progress.update(task, completed=view.percent, activity=activity, left=view.time_left)


def _follow_in_lines(title: str, events: Iterable[event_pb2.RunEvent], view: RunView) -> None:
    shown = (-_PLAIN_STEP, "")
    for event in events:
        view.take(event)
        if view.is_over:
            continue
        # A log wants to know that it goes on, not every tick of it.
        if view.percent >= shown[0] + _PLAIN_STEP or (view.step and view.step != shown[1] and not view.node):
            shown = (view.percent, view.step)
            left = f"  ({view.time_left})" if view.time_left else ""
            typer.echo(f"{title}  {view.percent:3.0f} %  {view.activity}{left}")
    typer.echo(f"{title}  {view.percent:3.0f} %  {view.state}")


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_ACTIVITY else text[: _LONGEST_ACTIVITY - 1] + "…"
