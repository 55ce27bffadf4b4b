"""`lace quotas show|set`: what a tenant may use at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lace_cli.output import AsJson, print_json

if TYPE_CHECKING:
    from lace.control.v1 import control_pb2

Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="Id of the tenant.")]


def add_to(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(help="Quotas: what a tenant may use at once.", no_args_is_help=True)
    group.command("show")(show)
    group.command("set")(replace)
    app.add_typer(group, name="quotas")


def show(tenant: Tenant, as_json: AsJson = False) -> None:
    """Show the quotas of a tenant: your own, or any for who administers the system."""
    from lace_cli.connection import connect

    with connect() as api:
        _print(api.get_quotas(tenant), as_json)


def replace(
    tenant: Tenant,
    concurrent: Annotated[int, typer.Option("--concurrent", min=0, help="Runs worked on at once; 0: any number.")] = 0,
    queued: Annotated[int, typer.Option("--queued", min=0, help="Runs that wait; 0: any number.")] = 0,
    per_minute: Annotated[int, typer.Option("--per-minute", min=0, help="Starts within a minute; 0: any.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Replace the quotas of a tenant; what is left out has no limit. They hold from its next start of a run on.

    Example:  lace quotas set ten_… --concurrent 4 --queued 100 --per-minute 30
    """
    from lace_cli.connection import connect

    with connect() as api:
        made = api.put_quotas(
            tenant, max_concurrent_runs=concurrent, max_queued_runs=queued, runs_per_minute=per_minute
        )
        _print(made, as_json)


def _print(quotas: control_pb2.Quotas, as_json: bool) -> None:
    if as_json:
        print_json(quotas)
        return
    for name, most in (
        ("worked on at once", quotas.max_concurrent_runs),
        ("waiting", quotas.max_queued_runs),
        ("started within a minute", quotas.runs_per_minute),
    ):
        typer.echo(f"runs {name}: {most or 'any number'}")
