"""`lace usage`: what the tenant's model calls used and cost."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from lace_cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from lace.llm_gateway.v1 import llm_gateway_pb2


class By(StrEnum):
    """What is summed by."""

    DAY = "day"
    MODEL = "model"
    PRINCIPAL = "principal"
    RUN = "run"


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("usage")(usage)


def usage(
    by: Annotated[By, typer.Option("--by", help="Sum by this.")] = By.DAY,
    from_day: Annotated[
        str, typer.Option("--from", metavar="DAY", help="First day, as 2026-11-21 (30 days ago).", show_default=False)
    ] = "",
    to_day: Annotated[str, typer.Option("--to", metavar="DAY", help="Last day (today).", show_default=False)] = "",
    as_json: AsJson = False,
) -> None:
    """Show what model calls used and cost: tokens in and out, and US dollars. Days are in UTC.

    Example:  lace usage --by model --from 2026-11-01
    """
    from lace_cli.connection import connect

    with connect() as api:
        found = list(api.usage(by=by.value, from_day=from_day, to_day=to_day))
    if as_json:
        print_json(found)
        return
    headings = (by.value, "calls", "failed", "tokens in", "tokens out", "US$")
    print_table(headings, (_row(by, each) for each in found), empty="No model was called in these days.")


def _row(by: By, sums: llm_gateway_pb2.Usage) -> tuple[str, ...]:
    names = {
        By.DAY: sums.day,
        By.MODEL: "/".join(filter(None, (sums.provider, sums.model))),
        By.PRINCIPAL: sums.principal_id,
        By.RUN: sums.run_id or "(outside runs)",
    }
    counts = (sums.calls, sums.failed_calls, sums.input_tokens, sums.output_tokens)
    return names[by], *map(str, counts), f"{sums.cost_micro_usd / 1_000_000:.4f}"
