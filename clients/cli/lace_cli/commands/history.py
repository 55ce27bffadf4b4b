"""`lace log|blame|branch|merge|tag`: git for documents."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from lace_cli.output import AsJson, print_json, print_table

Artifact = Annotated[str, typer.Argument(metavar="ARTIFACT", help="Id of the artifact, as `lace documents` shows it.")]
Ref = Annotated[str, typer.Option("--ref", help="A revision, branch or tag; main where left out.")]


class Side(StrEnum):
    """One side of a merge."""

    OURS = "ours"
    THEIRS = "theirs"


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (log, blame, branch, merge, tag):
        app.command(command.__name__)(command)


def log(
    artifact: Artifact,
    ref: Ref = "",
    of: Annotated[str, typer.Option("--of", help="Only what changed this section (nod_…) or block (blk_…).")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show who or which run changed a document, when, why, and how much; ◆ is a merge.

    Examples:  lace log art_…   ·   lace log art_… --ref board-draft   ·   lace log art_… --of nod_…
    """
    from itertools import islice

    from lace_cli.connection import connect
    from lace_cli.history_text import log_lines

    with connect() as api:
        entries = list(islice(api.history.log(artifact, ref=ref, subject_id=of), limit))
    if as_json:
        print_json(entries)
        return
    for entry in entries:
        for line in log_lines(entry):
            typer.echo(line)
    if not entries:
        typer.echo("Nothing is committed yet." if not of else f"Nothing changed {of}.")


def blame(
    artifact: Artifact,
    ref: Ref = "",
    node: Annotated[str, typer.Option("--node", help="Only this section and what is below it.")] = "",
    evidence: Annotated[bool, typer.Option("--evidence", help="Show the quotes that each sentence rests on.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show of every sentence which revision brought it in, who stands behind it, and its evidence.

    ✓ its evidence supports it   ·   ◇ a person answers for it. Examples:  lace blame art_…
    ·   lace blame art_… --node nod_… --evidence
    """
    from lace_cli.connection import connect
    from lace_cli.history_text import BLAMED, blame_lines
    from lace_cli.lines import tell

    with connect() as api:
        lines = list(api.history.blame(artifact, ref=ref, node_id=node))
    if as_json:
        print_json(lines)
        return
    for line in blame_lines(lines, evidence=evidence):
        tell(line, BLAMED)
    if not lines:
        typer.echo("There is no text yet.")


def branch(
    artifact: Artifact,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A new branch; the branches are listed without.")] = "",
    ref: Annotated[str, typer.Option("--from", help="Where it begins: a revision, branch or tag.")] = "",
    delete: Annotated[bool, typer.Option("--delete", help="Delete it; its revisions stay.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Delete it though main does not have all of it.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the branches of a document, begin one, or delete one. Change one with: PATCH …, "branch": NAME.

    Examples:  lace branch art_…   ·   lace branch art_… board-draft --from as-sent   ·
    lace branch art_… board-draft --delete
    """
    from lace_cli.connection import connect

    if delete and not name:
        raise _wrong("--delete needs the branch's name.", "lace branch ARTIFACT NAME --delete")
    with connect() as api:
        if not name:
            found = list(api.history.branches(artifact))
        elif delete:
            found = [api.history.delete_branch(artifact, name, force=force)]
        else:
            found = [api.history.create_branch(artifact, name, ref=ref)]
    if as_json:
        print_json(found[0] if name else found)
    elif delete:
        typer.echo(f"Deleted. Begin it again: lace branch {artifact} {name} --from {found[0].head_revision_id}")
    elif name:
        typer.echo(f"{name} begins at {found[0].head_revision_id}. Merge it: lace merge {artifact} {name}")
    else:
        rows = [(b.name, b.head_revision_id or "-", f"+{b.ahead} -{b.behind}") for b in found]
        print_table(("branch", "head", "beside main"), rows, empty="There is none.")


def merge(
    artifact: Artifact,
    ref: Annotated[str, typer.Argument(metavar="REF", help="The branch, tag or revision that is merged: theirs.")],
    into: Annotated[str, typer.Option("--into", help="The branch that it is merged into: ours.")] = "main",
    message: Annotated[str, typer.Option("--message", "-m", help="Why; it is recorded.")] = "",
    take: Annotated[Side | None, typer.Option("--take", help="Settle every conflict for this side.")] = None,
    resolve: Annotated[
        list[str] | None, typer.Option("--resolve", help="CONFLICT=ours, =theirs, or =JSON for a value of your own.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would come of it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Merge a branch into another, by sections, blocks and sentences. What both sides changed is yours to settle.

    Exit code 1 where there are conflicts; nothing is changed then. Examples:  lace merge art_… board-draft
    ·   lace merge art_… board-draft --resolve cfl_…=theirs --resolve cfl_…='"A new title"'
    """
    from lace_cli.connection import connect

    with connect() as api:
        settled = [_resolution(text) for text in resolve or ()]
        answer = api.history.merge(artifact, ref, into=into, message=message, resolutions=settled, dry_run=dry_run)
        if take is not None and answer.conflicts:
            own = {one["conflict_id"] for one in settled}
            settled += [
                {"conflict_id": conflict.conflict_id, "choice": take.value}
                for conflict in answer.conflicts
                if conflict.conflict_id not in own
            ]
            answer = api.history.merge(artifact, ref, into=into, message=message, resolutions=settled, dry_run=dry_run)
    if as_json:
        print_json(answer)
    else:
        _tell_merge(answer, artifact, ref, into)
    if answer.outcome == "conflicts":
        raise typer.Exit(1)


def tag(
    artifact: Artifact,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A new tag; the tags are listed without.")] = "",
    ref: Ref = "",
    message: Annotated[str, typer.Option("--message", "-m", help="What it stands for.")] = "",
    delete: Annotated[bool, typer.Option("--delete", help="Delete it; the revision stays.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the tags of a document, name a revision, or take the name away. A tag never moves.

    Examples:  lace tag art_…   ·   lace tag art_… as-sent -m "To the board"   ·   lace diff art_… as-sent main
    """
    from lace_cli.connection import connect

    if delete and not name:
        raise _wrong("--delete needs the tag's name.", "lace tag ARTIFACT NAME --delete")
    with connect() as api:
        if not name:
            found = list(api.history.tags(artifact))
        elif delete:
            found = [api.history.delete_tag(artifact, name)]
        else:
            found = [api.history.create_tag(artifact, name, ref=ref, message=message)]
    if as_json:
        print_json(found[0] if name else found)
    elif name:
        typer.echo(f"{name} {'was' if delete else 'is'} {found[0].revision_id}.")
    else:
        rows = [(t.name, t.revision_id, t.created_at.ToDatetime().strftime("%Y-%m-%d"), t.message) for t in found]
        print_table(("tag", "revision", "made", "stands for"), rows, empty="There is none.")


def _tell_merge(answer: Any, artifact: str, ref: str, into: str) -> None:
    from lace_cli.history_text import conflict_lines
    from lace_core.differences.telling import counted

    if answer.outcome == "conflicts":
        for conflict in answer.conflicts:
            for line in conflict_lines(conflict):
                typer.echo(line)
        left = answer.total_conflicts - len(answer.conflicts)
        more = f" (and {left} more)" if left else ""
        typer.echo(f"{answer.total_conflicts} conflicts{more}; nothing was changed. Settle each, or take a side:")
        first = answer.conflicts[0].conflict_id
        typer.echo(f"  lace merge {artifact} {ref} --into {into} --resolve {first}=theirs   ·   --take ours")
    elif answer.outcome == "up_to_date":
        typer.echo(f"{into} has all of {ref} already.")
    else:
        said = "would be merged" if answer.outcome == "clean" else f"is merged into {into}"
        typer.echo(f"{ref} {said}: {counted(answer.counts) or 'nothing changes'}.")
        if answer.outcome == "merged":
            typer.echo(f"{answer.revision.revision_id} is its head. See it: lace diff {artifact}")


def _resolution(text: str) -> dict[str, Any]:
    conflict_id, equals, choice = text.partition("=")
    if not equals:
        raise _wrong(f"--resolve {text}: write CONFLICT=ours, =theirs, or =JSON.", "")
    if choice in tuple(Side):
        return {"conflict_id": conflict_id, "choice": choice}
    try:
        return {"conflict_id": conflict_id, "choice": "value", "value": json.loads(choice)}
    except ValueError:
        raise _wrong(f"--resolve {conflict_id}: {choice} is no JSON.", "Write a text as '\"so\"'.") from None


def _wrong(message: str, advice: str) -> Exception:
    from lace_cli.failures import WRONG_USE, CommandError

    return CommandError(message, code="WRONG_USE", advice=advice, exit_code=WRONG_USE)
