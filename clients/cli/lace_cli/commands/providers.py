"""`lace providers [validate|versions]` and `lace models`: who can be asked, what they can do, whether they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lace_cli.output import AsJson, print_json, print_table, warn

if TYPE_CHECKING:
    from lace.llm_gateway.v1 import llm_gateway_pb2

_app = typer.Typer()
_MILLION = 1_000_000
_KINDS = {1: "embeds", 2: "reranks"}


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(_app, name="providers")
    app.command("models")(models)


@_app.callback(invoke_without_command=True)
def providers(context: typer.Context, as_json: AsJson = False) -> None:
    """List the providers and whether they can be used; try them, and see the versions of their models.

    Examples:  lace providers   ·   lace providers validate openai   ·   lace providers versions openai
    """
    if context.invoked_subcommand is not None:
        return
    from lace_cli.connection import connect

    with connect() as api:
        found = api.list_providers()
    if as_json:
        print_json(list(found))
        return
    rows = [
        (
            each.provider,
            "ready" if each.configured else "not set up",
            "offline" if each.offline else "",
            each.default_model,
            str(len(each.models) + len(each.measuring_models)),
        )
        for each in found
    ]
    print_table(("provider", "", "", "model where none is named", "models"), rows, empty="There are no providers.")


@_app.command("validate")
def validate(
    provider: Annotated[
        str, typer.Argument(metavar="PROVIDER", help="The provider; the settings' where left out.")
    ] = "",
    model: Annotated[str, typer.Option("--model", "-m", help="The model; the provider's default else.")] = "",
    as_json: AsJson = False,
) -> None:
    """Try a provider with a tiny call, and say what is wrong where it does not answer.

    Example:  lace providers validate openai --model gpt-4.1-mini
    """
    from lace_cli.connection import connect
    from lace_cli.failures import FAILED

    with connect() as api:
        found = api.validate_provider(provider, model)
    if as_json:
        print_json(found)
    elif found.ok:
        typer.echo(f"{found.provider}/{found.model} answered in {found.duration_ms} ms.")
        if last_day := found.capability.retires_on:
            warn(f"{found.provider} ends {found.model} on {last_day}: choose another (lace models).")
    else:
        typer.echo(f"{found.provider}/{found.model}: {found.message} [{found.error_code}]", err=True)
    if not found.ok:
        raise typer.Exit(FAILED)


@_app.command("versions")
def versions(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="The provider.")],
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask the provider though the last answer holds.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the versions of a provider's models; the one that its default stands for now is marked.

    Example:  lace providers versions openai --refresh
    """
    from lace_cli.connection import connect

    with connect() as api:
        found = api.list_versions(provider, force_refresh=refresh)
    if as_json:
        print_json(found)
        return
    rows = [(version, "current" if version == found.current else "") for version in found.versions]
    print_table(("version", ""), rows, empty=f"The provider {provider} names no versions.")


def models(
    everything: Annotated[bool, typer.Option("--all", help="Also those of providers that are not set up.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the models that can be used, by the names that `lace ask --model` and every OpenAI client take.

    Prices are in US dollars for a million tokens, in and out; the last column is the day on which a provider ends a
    model, where it has announced one.
    """
    from lace_cli.connection import connect

    with connect() as api:
        found = [each for each in api.list_providers() if each.configured or everything]
    if as_json:
        print_json(found)
        return
    rows = [row for each in found for row in _rows(each, everything)]
    headings = ("model", "", "tokens in and out", "out at most", "price", "ends on")
    print_table(headings, rows, empty="No provider is set up: lace providers")


def _rows(provider: llm_gateway_pb2.ProviderCapability, everything: bool) -> list[tuple[str, ...]]:
    writing = [
        (
            f"{provider.provider}/{model.model}",
            "writes",
            f"{model.context_tokens:,}",
            f"{model.max_output_tokens:,}",
            _price(model.price_date, model.input_price_micro_usd, model.output_price_micro_usd),
            model.retires_on,
        )
        for model in provider.models
    ]
    measuring = [
        (
            f"{provider.provider}/{model.model}",
            _KINDS.get(model.kind, ""),
            f"{model.max_tokens:,}" if model.max_tokens else "",
            f"{model.dimensions} numbers" if model.dimensions else "",
            _price(model.price_date, model.price_micro_usd),
            "",
        )
        for model in provider.measuring_models
        if model.configured or everything
    ]
    return [*writing, *measuring]


def _price(day: str, *prices: int) -> str:
    return f"{' / '.join(f'{price / _MILLION:g}' for price in prices)} since {day}" if day else ""
