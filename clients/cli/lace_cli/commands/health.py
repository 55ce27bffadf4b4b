"""`lace health`: whether a service, or the whole installation, is serving."""

from __future__ import annotations

from typing import Annotated

import typer

from lace_cli.output import AsJson, print_json


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("health")(health)


def health(
    service: Annotated[
        str, typer.Argument(help="A service at its configured address; the API with all behind it where left out.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Tell whether it is serving; the exit code says it too (0 serving, 3 not)."""
    from lace_cli.failures import NOT_REACHED, WRONG_USE, CommandError
    from lace_cli.probes import http_health, rpc_health
    from lace_standalone.services import ALL_SERVICES, GATEWAY

    if service and service not in ALL_SERVICES:
        raise CommandError(
            f"There is no service {service}.",
            code="SERVICE_UNKNOWN",
            advice=f"Choose one of: {', '.join(ALL_SERVICES)}",
            exit_code=WRONG_USE,
        )
    by_rpc = service not in ("", GATEWAY)
    state = rpc_health(service) if by_rpc else http_health(own=service == GATEWAY)
    if as_json:
        print_json({"service": service or "installation", "state": state})
    else:
        typer.echo(state)
    if state != "serving":
        raise typer.Exit(NOT_REACHED)
