"""`lace serve SERVICE`: one service alone, on the parts that settings name."""

from __future__ import annotations

from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("serve")(serve)


def serve(
    service: Annotated[
        str, typer.Argument(help="control, runs, ingest, llm_gateway, compiler, provenance or gateway.")
    ],
) -> None:
    """Run one service as its own process until SIGTERM, on the Postgres, bus and blob store that settings name.

    Every process needs the same LACE_DSN, LACE_SERVICE_SECRET, LACE_DB_ROLE_SECRET, LACE_URL_SIGNING_SECRET and
    LACE_ADDRESSES; compose.yaml shows a whole installation. Migrations are a step of their own: lace db upgrade.
    """
    from lace_cli.failures import WRONG_USE, CommandError
    from lace_cli.local import configured
    from lace_standalone.services import ALL_SERVICES

    if service not in ALL_SERVICES:
        raise CommandError(
            f"There is no service {service}.",
            code="SERVICE_UNKNOWN",
            advice=f"Choose one of: {', '.join(ALL_SERVICES)}",
            exit_code=WRONG_USE,
        )
    config = configured(verbose=True, service=service)
    if not config.dsn:
        raise CommandError(
            "A service alone needs a database that others share.",
            code="DSN_MISSING",
            advice="Set LACE_DSN to a PostgreSQL server; the embedded one belongs to `lace up`.",
            exit_code=WRONG_USE,
        )
    from lace_standalone.program import run_service

    run_service(service, config)
