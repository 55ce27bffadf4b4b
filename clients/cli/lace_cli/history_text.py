"""The history of documents as it is read in a terminal: signs say what colours only repeat."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

import typer

from lace_cli.printable import printable
from lace_core.differences.telling import counted
from lace_core.differences.words import word_changes
from lace_proto.json import to_python

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Value

    from lace.runs.v1 import artifacts_pb2, history_pb2

SIGNS = {"added": "+", "removed": "-", "changed": "~", "moved": ">"}
_COLOURS = {"+": typer.colors.GREEN, "-": typer.colors.RED, "~": typer.colors.YELLOW, ">": typer.colors.CYAN}
_SHORT = 14
BLAMED = _SHORT + 33  # columns in front of a sentence: its revision, day, maker and sign
_LONGEST = 300
_EVENTS = {"replaced": "changed"}


def short(revision_id: str) -> str:
    """As much of a revision's id as tells it from others at a glance."""
    return revision_id[:_SHORT]


def difference_lines(pages: Iterable[history_pb2.DiffArtifactResponse], *, counts_only: bool) -> Iterator[str]:
    """A difference under the headings of the document; of blocks their sentences say it."""
    found = list(pages)
    first = found[0]
    before = short(first.from_revision_id) or "nothing"
    yield typer.style(f"{before} → {short(first.to_revision_id)}", bold=True)
    yield f"  {counted(first.counts) or 'Nothing is different.'}"
    if counts_only:
        return
    differences = [difference for page in found for difference in page.differences]
    told = {difference.block_id for difference in differences if difference.subject == "sentence"}
    shown = [d for d in differences if d.subject != "block" or d.change == "moved" or d.block_id not in told]
    for path, group in groupby(shown, key=lambda d: tuple(d.heading_path)):
        yield ""
        yield typer.style(" › ".join(printable(title) or "(no title)" for title in path) or "The document", bold=True)
        for difference in group:
            yield _difference(difference)


def log_lines(entry: history_pb2.LogEntry) -> Iterator[str]:
    """A revision: its names, who made it and when, why, and how much it changed."""
    revision = entry.revision
    merged = bool(revision.second_parent_revision_id)
    names = [*entry.branches, *(f"tag: {tag}" for tag in entry.tags)]
    shown = typer.style(revision.revision_id, fg=typer.colors.YELLOW)
    named = typer.style(f"  ({', '.join(names)})", fg=typer.colors.CYAN) if names else ""
    yield f"{'◆' if merged else '●'} {shown}{named}"
    made = revision.created_at.ToDatetime().strftime("%Y-%m-%d %H:%M")
    yield f"│ {made}  {maker(entry.pipeline_id, revision.run_id, revision.created_by)}"
    if merged:
        yield f"│ merged {short(revision.second_parent_revision_id)} into {short(revision.parent_revision_id)}"
    if entry.reason:
        yield f"│ {cut(entry.reason)}"
    counts = {_plain_change(name): count for name, count in entry.counts.items()}
    yield typer.style(f"│ {counted(counts) or 'nothing changed'}", dim=True)
    yield "│"


def blame_lines(lines: Iterable[history_pb2.BlameLine], *, evidence: bool) -> Iterator[str]:
    """The document's sentences under its headings, each with the revision that brought it in."""
    for title, group in groupby(lines, key=lambda line: (line.node_id, line.node_title)):
        yield typer.style(printable(title[1]) or "(no title)", bold=True)
        for line in group:
            made = line.created_at.ToDatetime().strftime("%Y-%m-%d") if line.revision_id else "not recorded"
            by = line.pipeline_id or line.created_by
            who = typer.style(f"{short(line.revision_id):<{_SHORT}} {made:<12} {by[:16]:<16}", dim=True)
            yield f"{who} {_standing(line)} {printable(line.text)}"
            for piece in line.evidence if evidence else ():
                yield f"{'':>{BLAMED}}“{printable(piece.quote)}”  {piece.source_id}"


def conflict_lines(conflict: history_pb2.Conflict) -> Iterator[str]:
    """What both sides have, and what there was."""
    field = f" {conflict.field}" if conflict.field else ""
    yield typer.style(f"✗ {conflict.conflict_id}", fg=typer.colors.RED) + (
        f"  {conflict.kind}: {conflict.subject} {conflict.subject_id}{field}"
    )
    for name, value in (("base", conflict.base), ("ours", conflict.ours), ("theirs", conflict.theirs)):
        yield f"    {name:<7} {_value(value)}"


def maker(pipeline_id: str, run_id: str, created_by: str) -> str:
    """Who stands behind a revision."""
    return f"{created_by} by {pipeline_id} ({run_id})" if run_id else created_by


def cut(text: str) -> str:
    """A text in one line of bearable length."""
    line = printable(text)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _difference(difference: artifacts_pb2.Difference) -> str:
    sign = SIGNS[difference.change]
    before, after = difference.before_text, difference.after_text
    fields = f" ({', '.join(difference.fields)})" if difference.fields and before == after else ""
    head = _coloured(sign, f"{sign} {difference.subject}{fields}: ")
    if difference.change != "changed" or before == after:
        return head + _coloured(sign, printable(after or before))
    return head + "".join(_word(change, text) for change, text in word_changes(before, after))


def _word(change: str, text: str) -> str:
    """In brackets, as `git diff --word-diff` has them."""
    shown = text if text.isspace() else printable(text)
    if not text.isspace():
        shown = f"{' ' * text[:1].isspace()}{shown}{' ' * text[-1:].isspace()}"
    if change == "same":
        return shown
    return _coloured("-", f"[-{shown}-]") if change == "removed" else _coloured("+", f"{{+{shown}+}}")


def _standing(line: history_pb2.BlameLine) -> str:
    """✓ its evidence supports it, ◇ a person answers for it, · nothing is known."""
    if not line.HasField("verdict"):
        return "·"
    return "✓" if line.verdict.standing == "verified" else "◇"


def _value(value: Value) -> str:
    shown: Any = to_python(value)
    if shown is None:
        return typer.style("(not there)", dim=True)
    return cut(shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False))


def _plain_change(name: str) -> str:
    subject, _, change = name.partition(".")
    return f"{subject}.{_EVENTS.get(change, change)}"


def _coloured(sign: str, text: str) -> str:
    return typer.style(text, fg=_COLOURS[sign])
