"""`lace up`: the whole system in this process, until Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lace_standalone.bootstrap import Installation


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("up")(up)


def up(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log to the terminal, not to lace.log in the data folder.")
    ] = False,
) -> None:
    """Start LACE and leave it running; Ctrl-C stops it, and the next start finds all its data again.

    Prints the URL, the token of the first tenant, the page with the API's documentation, and that for readers.
    """
    from lace_cli.local import configured
    from lace_standalone.program import run_installation

    run_installation(configured(verbose=verbose), _announce)


def _announce(installation: Installation) -> None:
    typer.echo(f"URL    {installation.url}")
    typer.echo(f"Token  {installation.token}")
    typer.echo(f"Docs   {installation.docs_url or 'switched off (LACE_DOCS_ENABLED)'}")
    if installation.docs_url:
        typer.echo(f"Read   {installation.url}/read")
