"""`lace verdicts`: what was found of each sentence of a document, and what was kept out of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from lace_cli.lines import tell
from lace_cli.output import AsJson, print_json
from lace_cli.printable import printable

if TYPE_CHECKING:
    from lace.runs.v1 import artifacts_pb2

Artifact = Annotated[str, typer.Argument(metavar="ARTIFACT", help="Id of the artifact, as `lace documents` shows it.")]

_WORDS = ("supported", "partially", "contradicted", "unsupported")
_SIGNS = {"supported": "✓", "partially": "?", "contradicted": "✗", "unsupported": "✗", "abstained": "–"}


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("verdicts")(verdicts)


def verdicts(
    artifact: Artifact,
    verdict: Annotated[str, typer.Option("--verdict", help=f"Only {', '.join(_WORDS)}.")] = "",
    kept_out: Annotated[bool, typer.Option("--kept-out", help="Only what is not in the document.")] = False,
    node: Annotated[str, typer.Option("--node", metavar="NODE", help="Only this section.")] = "",
    revision: Annotated[str, typer.Option("--revision", metavar="REVISION", help="Another than the head.")] = "",
    layers: Annotated[bool, typer.Option("--layers", help="What each layer found, supported ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what was found of each sentence, first of those that were kept out; each layer that objects says why.

    Examples:  lace verdicts art_… --kept-out   ·   lace verdicts art_… --layers --verdict partially
    """
    from lace_cli.connection import connect
    from lace_cli.failures import WRONG_USE, CommandError

    if verdict and verdict not in _WORDS:
        message = f"There is no verdict {verdict}; there are {', '.join(_WORDS)}."
        raise CommandError(message, code="WRONG_USE", exit_code=WRONG_USE)
    with connect() as api:
        wanted = False if kept_out else None
        found = list(
            api.verdicts.list(artifact, revision_id=revision, verdict=verdict, node_id=node, in_document=wanted)
        )
    if as_json:
        print_json(found)
        return
    for line in (line for own in found for line in _lines(own, layers)):
        tell(line, 6 if line.startswith(" ") else 2)
    if not found:
        typer.echo("There are none.", err=True)


def _lines(own: artifacts_pb2.Verdict, all_layers: bool) -> Iterator[str]:
    where = own.standing or "kept out"
    person = f"{own.acceptance.accepted_by}: {own.acceptance.reason}"
    by = f" by {printable(person)}" if own.HasField("acceptance") else ""
    yield f"{_SIGNS.get(own.verdict, '?')} {own.verdict} ({where}{by})  {printable(own.text)}"
    for layer in own.layers:
        if all_layers or layer.verdict != "supported":
            call = f"  [{layer.call_id}]" if layer.call_id else ""
            yield f"    {_SIGNS.get(layer.verdict, '?')} {layer.layer}: {printable(layer.finding)}{call}"
    if not own.layers and own.reasons:
        yield f"    {printable(own.reasons[-1])}"
