"""`lace token create|list|revoke`: who may speak to the API."""

from __future__ import annotations

from typing import Annotated

import typer

from lace_cli.output import AsJson, print_json, print_table


def add_to(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(help="Tokens: who may speak to the API.", no_args_is_help=True)
    group.command("create")(create)
    group.command("list")(list_tokens)
    group.command("revoke")(revoke)
    app.add_typer(group, name="token")


def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="What it may do, for instance runs:read; all where left out.")
    ] = None,
    days: Annotated[int | None, typer.Option("--days", min=1, max=400, help="How long it lives.")] = None,
    principal: Annotated[str, typer.Option("--principal", help="Whom it acts for; you where left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a token and print its secret, which is shown this once."""
    from datetime import timedelta

    from lace_cli.connection import connect

    with connect() as api:
        ttl = timedelta(days=days) if days else None
        made = api.create_token(name, scopes=scope or (), principal_id=principal, ttl=ttl)
    if as_json:
        print_json(made)
        return
    typer.echo(made.secret)
    until = made.token.expires_at.ToDatetime().strftime("%Y-%m-%d")
    typer.echo(f"{made.token.token_id}, good until {until}; keep the line above, it is not shown again.", err=True)


def list_tokens(as_json: AsJson = False) -> None:
    """List the tokens, without their secrets."""
    from lace_cli.connection import connect

    with connect() as api:
        found = list(api.list_tokens())
    if as_json:
        print_json(found)
        return
    rows = [
        (
            token.token_id,
            token.name,
            f"{token.prefix}…",
            "revoked" if token.HasField("revoked_at") else token.expires_at.ToDatetime().strftime("%Y-%m-%d"),
            ", ".join(token.scopes),
        )
        for token in found
    ]
    print_table(("token", "name", "begins", "good until", "may"), rows, empty="There are no tokens.")


def revoke(
    token_id: Annotated[str, typer.Argument(metavar="TOKEN", help="Id of the token, as `lace token list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Revoke a token; it is refused everywhere within a second."""
    from lace_cli.connection import connect

    with connect() as api:
        token = api.revoke_token(token_id)
    if as_json:
        print_json(token)
    else:
        typer.echo(f"Revoked {token.name} ({token.token_id}).")
