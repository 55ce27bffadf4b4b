"""`lace ask`: call a model from the shell, and read the answer while it comes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lace_cli.output import AsJson, print_json

if TYPE_CHECKING:
    from lace_client import Answer, LaceClient


_COMPOSER = "extractive-1"


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("ask")(ask)


def ask(
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help="What to ask; - reads it from the standard input.")
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="provider/model, as `lace models` lists them; the settings' else.")
    ] = "",
    system: Annotated[str, typer.Option("--system", "-s", help="What the model is told before the question.")] = "",
    temperature: Annotated[float | None, typer.Option("--temperature", min=0, max=2, help="0: least random.")] = None,
    tokens: Annotated[int | None, typer.Option("--max-tokens", min=1, help="Tokens of the answer at most.")] = None,
    schema: Annotated[
        Path | None, typer.Option("--schema", help="File with a JSON Schema: the answer is JSON that matches it.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="For models that can repeat themselves.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a model, and print its answer while it comes; the call is in the ledger.

    Examples:  lace ask "Which bridge is the longest?"   ·   lace ask -m openai/gpt-4.1-mini - < question.txt

    lace ask --schema person.json "Ada Lovelace, born 1815" --json

    Offline nobody answers: the built-in composer writes documents, and repeats what it is asked. `lace providers` says
    whose models are set up.
    """
    from lace_cli.connection import connect

    text = sys.stdin.read() if question == "-" else question
    messages = [*([{"role": "system", "content": system}] if system else []), {"role": "user", "content": text}]
    wanted: dict[str, Any] = {"temperature": temperature, "max_output_tokens": tokens, "seed": seed, "model": model}
    if schema is not None:
        wanted["output_schema"] = _schema_of(schema)
    with connect() as api:
        if as_json:
            print_json(vars(api.models.generate(messages, **wanted)))
            return
        answer = _told(api, messages, wanted)
    if answer is not None and sys.stderr.isatty():
        tokens_told = f"{answer.input_tokens} tokens in, {answer.output_tokens} out"
        typer.secho(f"{answer.model} · {tokens_told} · {answer.call_id}", err=True, dim=True)
    if answer is not None and answer.model == _COMPOSER:
        typer.echo("The built-in composer only repeats a question. Ask a model: -m PROVIDER/MODEL", err=True)
    if answer is not None and answer.finish_reason == "length":
        typer.echo("The answer was cut at its limit: --max-tokens", err=True)


def _told(api: LaceClient, messages: list[dict[str, str]], wanted: dict[str, Any]) -> Answer | None:
    """Prints the pieces as they come; the whole answer."""
    stream = api.models.stream(messages, **wanted)
    last = ""
    try:
        for piece in stream:
            sys.stdout.write(piece)
            sys.stdout.flush()
            last = piece
    finally:
        if last and not last.endswith("\n"):
            typer.echo()
    return stream.answer


def _schema_of(file: Path) -> Any:
    import json

    from lace_cli.failures import WRONG_USE, CommandError

    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CommandError(f"{file} is not JSON: {error}", code="WRONG_USE", exit_code=WRONG_USE) from None
