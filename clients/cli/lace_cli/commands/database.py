"""`lace db upgrade` and `lace bootstrap`: the two steps that make an installation of separate processes usable."""

from __future__ import annotations

import asyncio

import typer


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(help="The database.", no_args_is_help=True)
    group.command("upgrade")(upgrade)
    app.add_typer(group, name="db")
    app.command("bootstrap")(bootstrap)


def upgrade() -> None:
    """Bring the schemas and roles of all services in LACE_DSN to this version; safe to repeat.

    LACE_DSN must name an administrator of the database.
    """
    from lace_cli.failures import WRONG_USE, CommandError
    from lace_cli.local import configured
    from lace_platform.db.migrations import upgrade as upgrade_schemas
    from lace_standalone.services import RPC_SERVICES

    config = configured(verbose=True, service="migrations")
    if not config.dsn:
        raise CommandError(
            "There is no database to upgrade.",
            code="DSN_MISSING",
            advice="Set LACE_DSN; `lace up` upgrades its embedded database by itself.",
            exit_code=WRONG_USE,
        )
    asyncio.run(upgrade_schemas(config.dsn, RPC_SERVICES, config.db_role_secret))
    typer.echo(f"Upgraded: {', '.join(RPC_SERVICES)}")


def bootstrap() -> None:
    """Make the first tenant of an installation of separate processes, and print its token, once.

    Speaks to control by LACE_SERVICE_SECRET. `lace up` does this by itself.
    """
    from lace_cli.failures import CommandError
    from lace_cli.local import configured
    from lace_standalone.first_tenant import make_first_tenant

    secret = asyncio.run(make_first_tenant(configured(verbose=True, service="bootstrap"), "cli"))
    if not secret:
        raise CommandError(
            "The first tenant was made before; its token was shown then, and only then.",
            code="ALREADY_BOOTSTRAPPED",
            advice="Make another token with the first one: lace token create NAME",
        )
    typer.echo(secret)
