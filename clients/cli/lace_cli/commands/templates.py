"""`lace templates create|list|show|run|runs`: prompts that are written once, and what their runs gave."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lace_cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from lace.llm_gateway.v1 import templates_pb2

Template = Annotated[
    str, typer.Argument(metavar="TEMPLATE", help="Id of the template, as `lace templates list` has it.")
]
_HELP = """Prompts that are written once: nobody changes one, and a new text is a new version.

    Example:  lace templates create advice.json   ·   lace templates run tpl_… --var topic=radiators
    """


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(help=_HELP, no_args_is_help=True)
    for name, command in (("create", create), ("list", list_templates), ("show", show), ("run", run), ("runs", runs)):
        group.command(name)(command)
    app.add_typer(group, name="templates")


def create(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON; - reads it from the standard input.")],
    as_json: AsJson = False,
) -> None:
    """Keep a template for good; the same content again gives the template that is there.

    FILE holds its name and version, the messages with {{variables}}, and what the variables may be:

    {"name": "advice", "version": "1", "messages": [{"role": "user", "content": "Advise on {{topic}}."}],
    "variables": [{"name": "topic"}]}

    Beside that: provider, model, model_version_constraint, allowed_fingerprints, mode (text or json) with
    output_schema, sampling, grounding, provoker, locales, and als, a context block by locale:

    {"als_template_id": "greeting", "variants": [{"variant_id": "a", "locale": "de-AT", "text": "Grüß Gott."}]}

    A variable's type is string, integer, number, boolean or json; the rest is in docs/llm-gateway.md.
    """
    from lace_cli.connection import connect

    content = _object(file)
    with connect() as api:
        made = api.templates.create(content)
    if as_json:
        print_json(made)
        return
    typer.echo(f"{made.template_id}  {made.content.name} {made.content.version}  {made.template_sha256}")
    given = "".join(f" --var {each.name}=…" for each in made.content.variables)
    typer.echo(f"Run it: lace templates run {made.template_id}{given}")


def list_templates(
    name: Annotated[str, typer.Option("--name", help="Only the versions of this one.")] = "", as_json: AsJson = False
) -> None:
    """List templates, yours and those of the pipelines (lace.…), newest version first."""
    from lace_cli.connection import connect

    with connect() as api:
        found = list(api.templates.list(name=name))
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each.template_id,
            each.content.name,
            each.content.version,
            each.template_sha256[:12],
            each.created_at.ToDatetime().strftime("%Y-%m-%d %H:%M:%S"),
            each.created_by,
        )
        for each in found
    ]
    print_table(("template", "name", "version", "sha256", "written (UTC)", "by"), rows, empty="There are no templates.")


def show(template: Template, as_json: AsJson = False) -> None:
    """Show a template as it was written, with its messages and its hash."""
    from lace_cli.connection import connect

    with connect() as api:
        found = api.templates.get(template)
    if as_json:
        print_json(found)
        return
    content = found.content
    typer.echo(f"{content.name} {content.version}  {found.template_sha256}")
    for variable in content.variables:
        typer.echo(f"  {{{{{variable.name}}}}} {_word(variable, 'type')}{' (optional)' if variable.optional else ''}")
    for message in content.messages:
        typer.echo(f"\n{message.role}:\n{message.content}")


def run(
    template: Template,
    var: Annotated[
        list[str] | None, typer.Option("--var", help="A value: NAME=TEXT, or NAME:=JSON for numbers and lists.")
    ] = None,
    locale: Annotated[str, typer.Option("--locale", help="One of the template's locales.")] = "",
    grounding: Annotated[str, typer.Option("--grounding", help="none, preferred or required; not looser.")] = "",
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for the answer.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a template and print its answer; --json shows all that proves it.

    Example:  lace templates run tpl_… --var topic=radiators --var 'years:=[2024, 2025]'
    """
    from lace_cli.connection import connect
    from lace_cli.variables import values_of

    values = values_of(var or ())
    with connect() as api:
        made = api.templates.run(template, variables=values, locale=locale, grounding=grounding, respond_async=detach)
    if as_json:
        print_json(made)
    elif detach:
        typer.echo(f"{made.run_id} {_word(made, 'state')}")
        typer.echo(f"See how it goes: lace templates runs {template}")
    else:
        typer.echo(made.output)
        typer.echo(_origin(made), err=True)


def runs(
    template: Template,
    state: Annotated[str, typer.Option("--state", help="Only those in this state, for instance failed.")] = "",
    locale: Annotated[str, typer.Option("--locale", help="Only those of this locale.")] = "",
    batch: Annotated[str, typer.Option("--batch", help="Only those of this batch.")] = "",
    output: Annotated[str, typer.Option("--output", metavar="SHA256", help="Only those that gave this answer.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the runs of a template, newest first: the same answer has the same output hash."""
    from lace_cli.connection import connect

    wanted = {"state": state, "locale": locale, "batch_id": batch, "response_output_sha256": output}
    with connect() as api:
        found = list(api.templates.list_runs(template, **{name: value for name, value in wanted.items() if value}))
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each.run_id,
            each.created_at.ToDatetime().strftime("%Y-%m-%d %H:%M:%S"),
            _word(each, "state"),
            each.locale,
            each.answered_model or each.requested_model,
            each.response_output_sha256[:12],
            f"{each.cost_micro_usd / 1_000_000:.4f}",
            each.error_code,
        )
        for each in found
    ]
    headings = ("run", "asked (UTC)", "state", "locale", "model", "output", "USD", "code")
    print_table(headings, rows, empty="There are no such runs.")


def _origin(made: templates_pb2.TemplateRun) -> str:
    tokens = f"{made.input_tokens} + {made.output_tokens} tokens, {made.cost_micro_usd / 1_000_000:.4f} USD"
    return f"{made.run_id}  {made.provider}/{made.answered_model or made.requested_model}  {tokens}"


def _word(message: Any, field: str) -> str:
    """The value of an enum field as the API writes it."""
    from lace_proto.json import to_python

    return str(to_python(message)[field])


def _object(file: Path) -> dict[str, Any]:
    from lace_cli.failures import WRONG_USE, CommandError

    text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    try:
        content = json.loads(text)
    except ValueError as error:
        raise CommandError(f"{file} is not JSON: {error}", code="WRONG_USE", exit_code=WRONG_USE) from None
    if not isinstance(content, dict):
        raise CommandError(f"{file} holds no JSON object.", code="WRONG_USE", exit_code=WRONG_USE)
    return content
