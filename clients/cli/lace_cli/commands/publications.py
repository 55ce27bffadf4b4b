"""`lace publish|publications|withdraw`: revisions that are out."""

from __future__ import annotations

from typing import Annotated

import typer

from lace_cli.output import AsJson, print_json, print_table

Artifact = Annotated[str, typer.Argument(metavar="ARTIFACT", help="Id of the artifact, as `lace documents` shows it.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("publish")(publish)
    app.command("publications")(publications)
    app.command("withdraw")(withdraw)


def publish(
    artifact: Artifact,
    revision: Annotated[str, typer.Option("--revision", help="A committed revision; the head where left out.")] = "",
    suite: Annotated[
        list[str] | None, typer.Option("--suite", metavar="NAME", help="It must pass this suite too; repeatable.")
    ] = None,
    refuse_stale: Annotated[
        bool, typer.Option("--refuse-stale", help="Not where a source that it cites has a newer version.")
    ] = False,
    note: Annotated[str, typer.Option("--note", help="What to say of it; recorded.")] = "",
    as_json: AsJson = False,
) -> None:
    """Publish a revision, where the policy in force lets you and all that it must pass passes on that very revision.

    What stands against it is told gate by gate; nothing is published then.

    Example:  lace publish art_… --suite harrow-bay --refuse-stale --note "As the board saw it."
    """
    from lace_cli.connection import connect

    with connect() as api:
        made = api.suites.publish(
            artifact, revision_id=revision, suites=suite or (), refuse_stale=refuse_stale, note=note
        )
    if as_json:
        print_json(made)
        return
    passed = ", ".join(f"{test.suite} {test.suite_version}" for test in made.tests)
    by = f" under {made.policy}" if made.policy else ""
    typer.echo(f"{made.revision_id} is published{by} ({made.publication_id}).")
    if passed:
        typer.echo(f"It passed {passed}.")


def publications(artifact: Artifact, as_json: AsJson = False) -> None:
    """List the publications of a document, newest first.

    Example:  lace publications art_…
    """
    from lace_cli.connection import connect
    from lace_cli.printable import printable
    from lace_proto.json import to_python

    with connect() as api:
        found = list(api.suites.publications(artifact))
    if as_json:
        print_json(found)
        return
    plain = [to_python(each) for each in found]
    rows = [
        (p["publication_id"], p["published_at"], p["revision_id"], p["state"], p["published_by"], printable(p["note"]))
        for p in plain
    ]
    print_table(("id", "at", "revision", "state", "by", "note"), rows, empty="Nothing of it is published.")


def withdraw(
    artifact: Artifact,
    publication: Annotated[str, typer.Argument(metavar="PUBLICATION", help="Id, as `lace publications` shows it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded.")],
    as_json: AsJson = False,
) -> None:
    """Withdraw a publication. The document stays as it is.

    Example:  lace withdraw art_… pub_… --reason "Table 2 is being measured again."
    """
    from lace_cli.connection import connect

    with connect() as api:
        found = api.suites.withdraw(artifact, publication, reason)
    if as_json:
        print_json(found)
    else:
        typer.echo(f"{found.revision_id} is withdrawn ({found.publication_id}).")
