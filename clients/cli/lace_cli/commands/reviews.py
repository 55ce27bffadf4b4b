"""`lace review`: sentences that could not be decided, one after another, and what people decide about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lace_cli.lines import tell
from lace_cli.output import AsJson, print_json, print_table
from lace_cli.printable import printable

if TYPE_CHECKING:
    from lace.runs.v1 import reviews_pb2
    from lace_client import LaceClient

_HELP = """Decide what the verification could not: sentences that runs kept out of documents, and their evidence.

    Alone it walks you through what waits. Accepting puts a sentence in on your word, which readers of the document are
    told; rewriting puts another wording in, which the evidence must support.

    Examples:  lace review   ·   lace review list --artifact art_…   ·   lace review show rvi_…
               lace review accept rvi_… --reason "Seen on site."
    """
_CHOICES = "[a]ccept, [r]eject, re[w]rite, [s]kip or [q]uit"

Item = Annotated[str, typer.Argument(metavar="ITEM", help="Id of the item, as `lace review list` shows it.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]
IfMatch = Annotated[str, typer.Option("--if-match", help="Only if the item is still in this state (its etag).")]
Artifact = Annotated[str, typer.Option("--artifact", metavar="ARTIFACT", help="Only of this document.")]
Run = Annotated[str, typer.Option("--run", metavar="RUN", help="Only what this run left.")]
Paragraph = Annotated[str, typer.Option("--paragraph", metavar="PARAGRAPH", help="Only of this paragraph.")]
Assignee = Annotated[str, typer.Option("--assignee", metavar="PRINCIPAL", help="Only what this one is to decide.")]


def add_to(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(help=_HELP, invoke_without_command=True)
    group.callback()(walk)
    commands: dict[str, Callable[..., None]] = {
        "list": list_items, "show": show, "accept": accept, "reject": reject, "rewrite": rewrite, "assign": assign,
    }  # fmt: skip
    for name, command in commands.items():
        group.command(name)(command)
    app.add_typer(group, name="review", help=_HELP)


def walk(
    context: typer.Context, artifact: Artifact = "", run: Run = "", assignee: Assignee = "", paragraph: Paragraph = ""
) -> None:
    """Walk through what waits, newest first."""
    if context.invoked_subcommand is not None:
        return
    from lace_cli.connection import connect

    with connect() as api:
        found = api.reviews.list(artifact_id=artifact, run_id=run, assignee=assignee, paragraph_id=paragraph)
        waiting = [item.review_item_id for item in found]
        for number, item_id in enumerate(waiting, 1):
            typer.echo(f"\n{number} of {len(waiting)}")
            if not _decide(api, item_id):
                break
    if not waiting:
        typer.echo("Nothing waits for review.")


def list_items(
    artifact: Artifact = "",
    state: Annotated[
        str, typer.Option("--state", help="open, accepted, rejected, rewritten, superseded or all.")
    ] = "open",
    run: Run = "",
    verdict: Annotated[str, typer.Option("--verdict", help="Only with this verdict, for instance partially.")] = "",
    assignee: Assignee = "",
    paragraph: Paragraph = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List review items, newest first; those that wait where no state is named.

    Examples:  lace review list   ·   lace review list --artifact art_… --state all
    """
    from itertools import islice

    from lace_cli.connection import connect

    chosen: dict[str, Any] = {"all_states": True} if state == "all" else {"state": state}
    chosen["paragraph_id"] = paragraph
    with connect() as api:
        found = api.reviews.list(artifact_id=artifact, run_id=run, verdict=verdict, assignee=assignee, **chosen)
        items = list(islice(found, limit))
    if as_json:
        print_json(items)
        return
    rows = [
        (item.review_item_id, _state(item), printable(item.artifact_title), printable(item.text), _told(item))
        for item in items
    ]
    print_table(("id", "state", "document", "sentence", "finding"), rows, empty="There are none.")


def show(item: Item, as_json: AsJson = False) -> None:
    """Show a sentence with its evidence in the text around it, and all that was done about it.

    Example:  lace review show rvi_…
    """
    from lace_cli.connection import connect

    with connect() as api:
        found = api.reviews.get(item)
    if as_json:
        print_json(found)
        return
    _print_item(found)
    for event in found.history:
        why = f": {printable(event.reason)}" if event.reason else ""
        at = event.at.ToDatetime().strftime("%Y-%m-%d %H:%M")
        typer.echo(f"  {at}  {event.action} by {event.actor}{why}")


def accept(item: Item, reason: Reason, if_match: IfMatch = "", as_json: AsJson = False) -> None:
    """Put the sentence into the document on your word; readers are told whose word it is, and why.

    Example:  lace review accept rvi_… --reason "Seen on site."
    """
    from lace_cli.connection import connect

    with connect() as api:
        _tell(api.reviews.accept(item, reason, etag=if_match), as_json)


def reject(item: Item, reason: Reason, if_match: IfMatch = "", as_json: AsJson = False) -> None:
    """Leave the sentence out for good.

    Example:  lace review reject rvi_… --reason "Hearsay."
    """
    from lace_cli.connection import connect

    with connect() as api:
        _tell(api.reviews.reject(item, reason, etag=if_match), as_json)


def rewrite(
    item: Item,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The new wording, which its evidence must support.")],
    reason: Reason,
    if_match: IfMatch = "",
    as_json: AsJson = False,
) -> None:
    """Put another wording in. Where the evidence does not support it, you are told what is wrong with it.

    Example:  lace review rewrite rvi_… "The bridge cost 4.2 million pounds." --reason "Only what is said."
    """
    from lace_cli.connection import connect

    with connect() as api:
        _tell(api.reviews.rewrite(item, text, reason, etag=if_match), as_json)


def assign(
    item: Item,
    principal: Annotated[
        str, typer.Argument(metavar="[PRINCIPAL]", help="Who is to decide; nobody in particular where left out.")
    ] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say who is to decide.

    Examples:  lace review assign rvi_… prn_…   ·   lace review assign rvi_…
    """
    from lace_cli.connection import connect

    with connect() as api:
        _tell(api.reviews.assign(item, principal, reason=reason), as_json)


def _decide(api: LaceClient, item_id: str) -> bool:
    """Ask about one item until something is decided about it; False where the walk is to end."""
    from lace_core.errors import LaceError

    item = api.reviews.get(item_id)
    _print_item(item)
    while True:
        try:
            choice = str(typer.prompt(_CHOICES, default="s")).strip().lower()[:1]
            if choice in ("s", "q"):
                return choice == "s"
            if choice == "a":
                _tell(api.reviews.accept(item_id, typer.prompt("Why is it true"), etag=item.etag), False)
            elif choice == "r":
                _tell(api.reviews.reject(item_id, typer.prompt("Why not"), etag=item.etag), False)
            elif choice == "w":
                text = typer.prompt("New wording", default=item.text)
                _tell(api.reviews.rewrite(item_id, text, typer.prompt("Why"), etag=item.etag), False)
            else:
                continue
        except typer.Abort:  # the input ended
            return False
        except LaceError as error:
            typer.echo(f"{error.reason.value}: {printable(error.message)}", err=True)
            for detail in error.details:
                typer.echo(f"  {printable(detail.description)}", err=True)
            if error.reason.value == "REVIEW_NOT_SUPPORTED":
                continue  # another wording may do
        return True


def _print_item(item: reviews_pb2.ReviewItem) -> None:
    from lace_proto.json import to_python

    where = " › ".join(filter(None, (printable(item.artifact_title), printable(item.place.node_title))))
    typer.echo(f"{item.review_item_id}  {_state(item)}  {where}")
    tell(f"  {printable(item.text)}", 2)
    for layer in item.layers:
        if layer.verdict not in ("supported", "abstained"):
            tell(f"    {layer.layer}: {printable(layer.finding)} ({layer.verdict})", 6)
    if not item.layers:
        tell(f"    {_told(item)}", 6)
    for piece in item.evidence:
        plain = to_python(piece)
        place = ", ".join(filter(None, (piece.filename, f"p. {piece.evidence.page}" if piece.evidence.page else "")))
        gone = "" if plain.get("stands") else "  (no longer stands there)"
        around = f"…{piece.text_before}“{piece.evidence.quote}”{piece.text_after}…"
        tell(f"  {printable(place)}{gone}: {printable(' '.join(around.split()))}", 4)


def _state(item: reviews_pb2.ReviewItem) -> str:
    from lace_proto.json import to_python

    return str(to_python(item)["state"])


def _told(item: reviews_pb2.ReviewItem) -> str:
    return printable(item.reasons[-1]) if item.reasons else item.verdict


def _tell(item: reviews_pb2.ReviewItem, as_json: bool) -> None:
    if as_json:
        print_json(item)
        return
    state = _state(item)
    if state == "open":
        typer.echo(f"{item.review_item_id} is for {item.assignee or 'whoever comes first'}.")
    elif item.paragraph_id:
        typer.echo(f"{item.review_item_id} is {state}; see: lace paragraph show {item.paragraph_id}")
    elif item.revision_id:
        typer.echo(f"{item.review_item_id} is {state}; {item.revision_id} is the head of {item.artifact_id}.")
    else:
        typer.echo(f"{item.review_item_id} is {state}.")
