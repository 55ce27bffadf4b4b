"""`lace quotas show|set|spent`: what a tenant may use at once and spend, and what it spent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lace_cli.output import AsJson, print_json

if TYPE_CHECKING:
    from lace.control.v1 import control_pb2
    from lace.llm_gateway.v1 import budgets_pb2

MICRO = 1_000_000

Tenant = Annotated[
    str, typer.Argument(metavar="TENANT", help="Id of the tenant, ten_…; `lace runs --json` shows yours.")
]
_DAY_TOKENS = typer.Option("--tokens-per-day", min=0, help="Tokens of model calls in a day; 0: any number.")
_MONTH_TOKENS = typer.Option("--tokens-per-month", min=0, help="Tokens of model calls in a month; 0: any number.")
_DAY_USD = typer.Option("--usd-per-day", min=0, help="Dollars for model calls in a day; 0: any sum.")
_MONTH_USD = typer.Option("--usd-per-month", min=0, help="Dollars for model calls in a month; 0: any sum.")
_OWN_DAY_TOKENS = typer.Option("--principal-tokens-per-day", min=0, help="Tokens of each principal in a day.")
_OWN_MONTH_TOKENS = typer.Option("--principal-tokens-per-month", min=0, help="Tokens of each principal in a month.")
_OWN_DAY_USD = typer.Option("--principal-usd-per-day", min=0, help="Dollars of each principal in a day.")
_OWN_MONTH_USD = typer.Option("--principal-usd-per-month", min=0, help="Dollars of each principal in a month.")


def add_to(app: typer.Typer) -> None:
    """Adds the group."""
    text = "Quotas: what a tenant may use at once and spend on model calls, and what it spent."
    group = typer.Typer(help=text, no_args_is_help=True)
    group.command("show")(show)
    group.command("set")(replace)
    group.command("spent")(spent)
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
    tokens_per_day: Annotated[int, _DAY_TOKENS] = 0,
    tokens_per_month: Annotated[int, _MONTH_TOKENS] = 0,
    usd_per_day: Annotated[float, _DAY_USD] = 0.0,
    usd_per_month: Annotated[float, _MONTH_USD] = 0.0,
    principal_tokens_per_day: Annotated[int, _OWN_DAY_TOKENS] = 0,
    principal_tokens_per_month: Annotated[int, _OWN_MONTH_TOKENS] = 0,
    principal_usd_per_day: Annotated[float, _OWN_DAY_USD] = 0.0,
    principal_usd_per_month: Annotated[float, _OWN_MONTH_USD] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Replace the quotas of a tenant; what is left out has no limit.

    Limits of runs hold from its next start of a run on, those of tokens and money within seconds. Days and months are
    those of UTC.

    Example:  lace quotas set ten_… --concurrent 4 --queued 100 --tokens-per-day 2000000 --usd-per-month 50
    """
    from lace_cli.connection import connect

    budgets = {
        "tokens_per_day": tokens_per_day,
        "tokens_per_month": tokens_per_month,
        "micro_usd_per_day": round(usd_per_day * MICRO),
        "micro_usd_per_month": round(usd_per_month * MICRO),
        "principal_tokens_per_day": principal_tokens_per_day,
        "principal_tokens_per_month": principal_tokens_per_month,
        "principal_micro_usd_per_day": round(principal_usd_per_day * MICRO),
        "principal_micro_usd_per_month": round(principal_usd_per_month * MICRO),
    }
    with connect() as api:
        made = api.put_quotas(
            tenant,
            max_concurrent_runs=concurrent,
            max_queued_runs=queued,
            runs_per_minute=per_minute,
            budgets={name: most for name, most in budgets.items() if most},
        )
        _print(made, as_json)


def spent(
    tenant: Tenant,
    principal: Annotated[
        str, typer.Option("--principal", help="The principal whose own budgets to show; else you.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show what a tenant and a principal spent on model calls today and this month, and what is left.

    Example:  lace quotas spent ten_… --principal prn_…
    """
    from lace_cli.connection import connect

    with connect() as api:
        told = api.get_budgets(tenant, principal)
    if as_json:
        print_json(told)
        return
    for budget in told.budgets:
        _print_budget(budget)


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
    for whose, prefix in (("", ""), (" of each principal", "principal_")):
        for period in ("day", "month"):
            if tokens := getattr(quotas, f"{prefix}tokens_per_{period}"):
                typer.echo(f"tokens in a {period}{whose}: {tokens:,}")
            if money := getattr(quotas, f"{prefix}micro_usd_per_{period}"):
                typer.echo(f"dollars in a {period}{whose}: {money / MICRO:,.2f}")


def _print_budget(budget: budgets_pb2.Budget) -> None:
    from lace.llm_gateway.v1 import budgets_pb2

    whose = budget.principal_id or "tenant"
    period = "today" if budget.period == budgets_pb2.BUDGET_PERIOD_DAY else "this month"
    tokens = _of(f"{budget.spent_tokens:,}", f"{budget.limit_tokens:,}", budget.limit_tokens)
    money = _of(
        f"{budget.spent_micro_usd / MICRO:,.4f}", f"{budget.limit_micro_usd / MICRO:,.2f}", budget.limit_micro_usd
    )
    reset = budget.resets_at.ToDatetime().strftime("%Y-%m-%d %H:%M UTC")
    typer.echo(f"{whose} {period}: {tokens} tokens, {money} dollars; anew at {reset}")


def _of(spent: str, limit: str, bound: int) -> str:
    return f"{spent} of {limit}" if bound else spent
