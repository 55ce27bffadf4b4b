"""`lace facts`: what a source states, one claim each, with the words that state it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from lace_cli.output import AsJson, print_json, print_table
from lace_cli.printable import printable

if TYPE_CHECKING:
    from lace.ingest.v1 import facts_pb2

_HELP = """What sources state, one claim each, with the words that state it.

    Examples:  lace facts src_…   ·   lace facts extract src_…   ·   lace facts show fct_…
    """
_LIST = "list"

Source = Annotated[str, typer.Argument(metavar="SOURCE", help="Id of the source, as `lace sources` shows it.")]
FactId = Annotated[str, typer.Argument(metavar="FACT", help="Id of the fact, as `lace facts SOURCE` shows it.")]


class _FactsGroup(TyperGroup):
    """`lace facts SOURCE` is short for `lace facts list SOURCE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = [_LIST, *args]
        return super().parse_args(ctx, args)


def add_to(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(cls=_FactsGroup, help=_HELP, no_args_is_help=True)
    for name, command in ((_LIST, list_facts), ("show", show), ("extract", extract), ("add", add), ("retire", retire)):
        group.command(name)(command)
    app.add_typer(group, name="facts")


def list_facts(
    source: Source,
    state: Annotated[str, typer.Option("--state", help="active, review or retired.")] = "active",
    origin: Annotated[str, typer.Option("--origin", help="extracted or manual; both where not given.")] = "",
    unit: Annotated[str, typer.Option("--unit", metavar="UNIT", help="Only facts of this unit.")] = "",
    contains: Annotated[str, typer.Option("--contains", help="Only facts that hold these words.")] = "",
    least: Annotated[
        int, typer.Option("--min-confidence", min=0, max=1000, help="Only facts of at least so many thousandths.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """List the facts of a source in the order in which they stand there.

    Examples:  lace facts src_…   ·   lace facts src_… --state review   ·   lace facts src_… --contains budget
    """
    from lace_cli.connection import connect

    with connect() as api:
        found = list(
            api.facts.list(source, state=state, origin=origin, unit_id=unit, min_confidence=least, contains=contains)
        )
    if as_json:
        print_json(found)
        return
    rows = [_row(fact) for fact in found]
    print_table(
        ("id", "where", "sure", "statement", "names"), rows, empty=f"There are none: lace facts extract {source}"
    )


def show(fact: FactId, as_json: AsJson = False) -> None:
    """Show a fact with the words that state it, how it was checked and where it comes from.

    Example:  lace facts show fct_…
    """
    from lace_cli.connection import connect

    with connect() as api:
        found = api.facts.get(fact)
    if as_json:
        print_json(found)
    else:
        _tell(found)


def extract(
    source: Source,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait until it is done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take the facts out of a source: a run asks the model in force about part after part.

    What is quoted wrongly, or not supported by its quote, is refused and told. Doing it again adds what is new.

    Example:  lace facts extract src_…
    """
    from lace_cli.connection import connect
    from lace_cli.writing import follow_to_end, watched

    with connect() as api:
        started = api.facts.extract(source)
        if detach:
            if as_json:
                print_json(started)
            else:
                typer.echo(f"It is under way; see it: lace watch {started.run_id}")
            return
        with watched(started.run_id):
            told = follow_to_end(api, started.run_id, "Taking facts out", quiet=as_json).facts
    if as_json:
        print_json({"run_id": started.run_id, "facts": told})
        return
    typer.echo(f"{told.added} new facts, {told.known} known, {told.refused} refused; {told.review} are for review.")
    typer.echo(f"See them: lace facts {source}")


def add(
    source: Source,
    statement: Annotated[str, typer.Argument(metavar="STATEMENT", help="The claim, in a sentence.")],
    unit: Annotated[str, typer.Option("--unit", metavar="UNIT", help="The unit that states it: lace sources units.")],
    quote: Annotated[str, typer.Option("--quote", help="Its words that state it, character by character.")],
    start: Annotated[
        int | None, typer.Option("--start", min=0, help="Where the quote begins in the unit, if it stands there twice.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """State a fact of your own. It is checked as a model's would be: the quote must stand in the unit and support it.

    Example:  lace facts add src_… "The bridge cost 4.2 million pounds." --unit unt_… --quote "cost 4.2 million pounds"
    """
    from lace_cli.connection import connect

    with connect() as api:
        begin = api.readings.unit(unit).unit.text.find(quote) if start is None else start
        begin = max(0, begin)  # where it does not stand, the API says what does
        made = api.facts.create(source, unit, statement, start=begin, end=begin + max(1, len(quote)), quote=quote)
    if as_json:
        print_json(made)
    else:
        _tell(made)


def retire(fact: FactId, as_json: AsJson = False) -> None:
    """Take a fact out of use; it stays readable by its id.

    Example:  lace facts retire fct_…
    """
    from lace_cli.connection import connect

    with connect() as api:
        retired = api.facts.retire(fact)
    if as_json:
        print_json(retired)
    else:
        typer.echo(f"{retired.fact_id} is retired.")


def _row(fact: facts_pb2.Fact) -> tuple[str, ...]:
    names = ", ".join(printable(each.text) for each in fact.qualifiers)
    return fact.fact_id, _place(fact), f"{fact.confidence / 10:g} %", printable(fact.statement), names


def _place(fact: facts_pb2.Fact) -> str:
    page = (f"page {fact.page}",) if fact.page else ()
    return printable(" › ".join((*page, *fact.heading_path))) or f"unit {fact.order}"


def _tell(fact: facts_pb2.Fact) -> None:
    from lace_proto.json import to_python

    plain = to_python(fact)
    lines = [
        f"{fact.fact_id}: {printable(fact.statement)}",
        f"  “{printable(fact.quote)}”",
        f"  {_place(fact)}, {fact.unit_id} at {fact.span.start} to {fact.span.end}",
        f"  {plain['state']}, {fact.verdict}: {'; '.join(map(printable, fact.reasons))}",
    ]
    if fact.call_id:
        lines.append(f"  {plain['origin']} by {fact.model} under {fact.contract} in {fact.run_id} ({fact.call_id})")
    typer.echo("\n".join(lines))
