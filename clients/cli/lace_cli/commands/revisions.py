"""`lace revisions|rollback|verify`: a document's past, going back to it, and whether it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lace_cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from lace.runs.v1 import artifacts_pb2

Artifact = Annotated[str, typer.Argument(metavar="ARTIFACT", help="Id of the artifact, as `lace documents` shows it.")]

_SIGNS = {"added": "+", "removed": "-", "changed": "~", "moved": ">"}
_COLOURS = {"added": "green", "removed": "red", "changed": "yellow", "moved": "cyan"}


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("revisions")(revisions)
    app.command("rollback")(rollback)
    app.command("verify")(verify)


def revisions(
    artifact: Artifact,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the revisions of a document on all its branches, newest first; those that led to what is shown: lace log."""
    from itertools import islice

    from lace_cli.connection import connect
    from lace_proto.json import to_python

    with connect() as api:
        found = list(islice(api.list_revisions(artifact), limit))
    if as_json:
        print_json(found)
        return
    rows = []
    for revision in found:
        made = revision.created_at.ToDatetime().strftime("%Y-%m-%d %H:%M")
        by = revision.run_id or revision.created_by
        rows.append((revision.revision_id, to_python(revision)["status"], made, by, revision.ir_hash[:12]))
    print_table(("revision", "status", "made (UTC)", "by", "hash"), rows, empty="Nothing is committed yet.")


def rollback(
    artifact: Artifact,
    revision: Annotated[str, typer.Argument(metavar="REVISION", help="The one to go back to: lace revisions ARTIFACT")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded.")] = "",
    if_match: Annotated[str, typer.Option("--if-match", help="Only if this revision is the head.")] = "",
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for the end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring an earlier revision back. It becomes a new revision with the same content; nothing is lost.

    Examples:  lace rollback art_… rev_… --dry-run   ·   lace rollback art_… rev_… --reason "Wrong figures"
    """
    from lace_cli.connection import connect
    from lace_cli.writing import follow_to_end, watched

    with connect() as api:
        answer = api.rollback_artifact(artifact, revision, reason=reason, dry_run=dry_run, etag=if_match)
        if dry_run or answer.unchanged or detach:
            _answered(answer, dry_run, as_json)
            return
        with watched(answer.run_id):
            done = follow_to_end(api, answer.run_id, "Going back", quiet=as_json)
    if as_json:
        print_json({"run_id": answer.run_id, "result": done})
    else:
        typer.echo(f"{done.revision_id} is the head, with the content of {revision}.")
        typer.echo(f"Undo: lace rollback {artifact} {answer.head_revision_id}")


def verify(
    subject: Annotated[str, typer.Argument(metavar="ARTIFACT|RUN", help="Id of an artifact or of a run.")],
    revision: Annotated[str, typer.Option("--revision", help="Of an artifact, this revision alone.")] = "",
    as_json: AsJson = False,
) -> None:
    """Compare what is stored with its hashes: a document's revisions, or the results of a run's steps.

    Exit code 1 where something is damaged. Example:  lace verify art_…
    """
    from lace_cli.connection import connect

    with connect() as api:
        of_run = subject.startswith("run_")
        found = api.verify_run(subject) if of_run else api.verify_artifact(subject, revision_id=revision)
    if as_json:
        print_json(found)
    elif found.intact:
        typer.echo(f"{found.checked} things compared; nothing is damaged.")
    else:
        for damage in found.damages:
            typer.echo(f"{damage.code}  {damage.subject}: {damage.message}\n    {damage.remedy}")
    if not found.intact:
        raise typer.Exit(1)


def _answered(answer: artifacts_pb2.RollbackArtifactResponse, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    elif answer.unchanged:
        typer.echo(f"The head {answer.head_revision_id} has the content of {answer.revision_id} already.")
    elif dry_run:
        _print_diff(answer)
    else:
        typer.echo(f"{answer.run_id} is under way; see it: lace watch {answer.run_id}")


def _print_diff(answer: artifacts_pb2.RollbackArtifactResponse) -> None:
    typer.echo(f"From the head {answer.head_revision_id} to {answer.revision_id}:")
    told = {difference.block_id for difference in answer.diff.differences if difference.subject == "sentence"}
    for difference in answer.diff.differences:
        if difference.subject != "block" or difference.change == "moved" or difference.block_id not in told:
            _print_difference(difference)  # of other blocks their sentences say it
    left = answer.diff.total - len(answer.diff.differences)
    if left:
        typer.echo(f"… and {left} more.")
    counted = ", ".join(f"{count} {name.replace('.', ' ')}" for name, count in sorted(answer.diff.counts.items()))
    typer.echo(f"{counted}. Nothing was changed; leave out --dry-run to go back.")


def _print_difference(difference: artifacts_pb2.Difference) -> None:
    change = difference.change
    before, after = (" ".join(text.split()) for text in (difference.before_text, difference.after_text))
    fields = f" ({', '.join(difference.fields)})" if difference.fields and before == after else ""
    where = f" in {difference.node_id}" if difference.subject not in ("document", "source", "node") else ""
    head = f"{_SIGNS[change]} {difference.subject}{where}{fields}: "
    if change == "changed" and before != after:
        typer.secho(f"{head}{before}", fg=_COLOURS["removed"])
        typer.secho(f"{' ' * (len(head) - 2)}→ {after}", fg=_COLOURS["added"])
    else:
        typer.secho(f"{head}{after or before}", fg=_COLOURS[change])
