"""`lace dlq list|show|redrive|discard`: messages that no consumer could handle."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lace_cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from lace.control.v1 import dead_letters_pb2
    from lace_client import LaceClient

Letter = Annotated[str, typer.Argument(metavar="LETTER", help="Id of the dead letter, as `lace dlq list` shows it.")]
Topic = Annotated[str, typer.Option("--topic", help="Only those of this topic, for instance compile.requested.")]
_STATES = ("dead", "redriven", "discarded")


def add_to(app: typer.Typer) -> None:
    """Adds the group."""
    text = "Dead letters: messages that no consumer could handle. Needs an administrator's token."
    group = typer.Typer(help=text, no_args_is_help=True)
    group.command("list")(list_letters)
    group.command("show")(show)
    group.command("redrive")(redrive)
    group.command("discard")(discard)
    app.add_typer(group, name="dlq")


def list_letters(
    topic: Topic = "",
    state: Annotated[str, typer.Option("--state", help="dead, redriven, discarded, or all.")] = "dead",
    as_json: AsJson = False,
) -> None:
    """List dead letters, newest first, with what each died of."""
    from lace_cli.connection import connect
    from lace_cli.failures import WRONG_USE, CommandError

    if state not in (*_STATES, "all"):
        raise CommandError(
            f"There is no state {state}.",
            code="STATE_UNKNOWN",
            advice=f"Choose one of: {', '.join(_STATES)}, all",
            exit_code=WRONG_USE,
        )
    with connect() as api:
        found = list(api.list_dead_letters(topic=topic, state="" if state == "all" else state))
    if as_json:
        print_json(found)
        return
    rows = [
        (
            letter.dead_letter_id,
            letter.died_at.ToDatetime().strftime("%Y-%m-%d %H:%M:%S"),
            letter.topic,
            letter.group,
            letter.key,
            _state(letter),
            letter.error_code or letter.error_message.split("\n")[0][:60],
        )
        for letter in found
    ]
    headings = ("letter", "died (UTC)", "topic", "group", "key", "state", "of")
    print_table(headings, rows, empty="There are no such dead letters.")


def show(letter_id: Letter, as_json: AsJson = False) -> None:
    """Show one with its cause, headers and payload."""
    from lace_cli.connection import connect

    with connect() as api:
        letter = api.get_dead_letter(letter_id)
    if as_json:
        print_json(letter)
        return
    typer.echo(f"{letter.dead_letter_id}  {_state(letter)}")
    facts = {
        "topic": letter.topic,
        "key": letter.key,
        "group": letter.group,
        "message": letter.event_id,
        "tenant": letter.tenant_id,
        "made (UTC)": letter.created_at.ToDatetime().isoformat(" "),
        "died (UTC)": letter.died_at.ToDatetime().isoformat(" "),
        "attempts": str(letter.attempts),
        "code": letter.error_code,
        "error": letter.error_message,
        "redrive of": letter.redrive_of,
        "settled by": letter.settled_by,
        **{f"header {name}": letter.headers[name] for name in sorted(letter.headers)},
    }
    for name, value in facts.items():
        if value:
            typer.echo(f"{name:>14}  {value}")
    typer.echo(_indented(letter.payload))


def redrive(
    letter_id: Annotated[
        str, typer.Argument(metavar="[LETTER]", help="Id of the dead letter; with --all none is named.")
    ] = "",
    topic: Topic = "",
    everything: Annotated[bool, typer.Option("--all", help="All dead letters of --topic.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send a message once more to the group that failed on it, after the cause is mended.

    Either one: lace dlq redrive LETTER. Or all that died on a topic: lace dlq redrive --topic compile.requested --all
    """
    from lace_cli.connection import connect
    from lace_cli.failures import WRONG_USE, CommandError

    if bool(letter_id) == everything or everything != bool(topic):
        raise CommandError(
            "Name one letter, or --topic TOPIC with --all.",
            code="WRONG_USE",
            advice="See: lace dlq redrive --help",
            exit_code=WRONG_USE,
        )
    with connect() as api:
        letters = [letter_id] if letter_id else _all_of(api, topic, yes)
        done = [api.redrive_dead_letter(each, key=f"redrive-{each}") for each in letters]
    if as_json:
        print_json(done)
        return
    for letter in done:
        typer.echo(f"Sent {letter.event_id} to {letter.group} again ({letter.dead_letter_id}).")
    if not done:
        typer.echo("There are no such dead letters.")


def discard(
    letter_id: Letter,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the audit log.")] = "",
    as_json: AsJson = False,
) -> None:
    """Put one away: it is kept, and not sent any more."""
    from lace_cli.connection import connect

    with connect() as api:
        letter = api.discard_dead_letter(letter_id, reason=reason)
    if as_json:
        print_json(letter)
    else:
        typer.echo(f"Discarded {letter.dead_letter_id}.")


def _all_of(api: LaceClient, topic: str, yes: bool) -> list[str]:
    """The letters that wait, oldest first as they came, after the person has agreed to their number."""
    from lace_cli.failures import WRONG_USE, CommandError

    found = [letter.dead_letter_id for letter in api.list_dead_letters(topic=topic, state="dead")][::-1]
    if not found or yes:
        return found
    if not sys.stdin.isatty():
        raise CommandError(
            f"{len(found)} messages of {topic} would be sent again.",
            code="NOT_CONFIRMED",
            advice="Say --yes where nobody can be asked.",
            exit_code=WRONG_USE,
        )
    typer.confirm(f"Send {len(found)} messages of {topic} again?", abort=True)
    return found


def _state(letter: dead_letters_pb2.DeadLetter) -> str:
    from lace.control.v1 import dead_letters_pb2

    return dead_letters_pb2.DeadLetterState.Name(letter.state).removeprefix("DEAD_LETTER_STATE_").lower()


def _indented(payload: str) -> str:
    try:
        return json.dumps(json.loads(payload), ensure_ascii=False, indent=2)
    except ValueError:
        return payload
