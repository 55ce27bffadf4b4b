"""`lace pipelines [create|run]`: the pipelines that there are, registering one, and running it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lace_cli.commands.documents import Out, Overrides, SourceIds, Targets, overrides_of, text_of
from lace_cli.output import AsJson, print_json, print_table

_app = typer.Typer()


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(_app, name="pipelines")


@_app.callback(invoke_without_command=True)
def pipelines(context: typer.Context, as_json: AsJson = False) -> None:
    """List the pipelines with their steps; register and run your own.

    Examples:  lace pipelines   ·   lace pipelines create draft.json   ·   lace pipelines run draft -t "Harrow Bay"
    """
    if context.invoked_subcommand is not None:
        return
    from lace_cli.connection import connect

    with connect() as api:
        found = api.list_pipelines()
    if as_json:
        print_json(found)
        return
    rows = [
        (each.pipeline_id, str(each.version), "own" if each.custom else "", " ".join(s.step for s in each.steps))
        for each in found
    ]
    print_table(("pipeline", "version", "", "steps"), rows, empty="There are no pipelines.")


@_app.command("create")
def create(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON; - reads it from the standard input.")],
    as_json: AsJson = False,
) -> None:
    """Register a pipeline, or its next version where its content is new.

    FILE holds a base without some of its steps, or steps of your own in their order:

    {"pipeline_id": "draft", "base": "generate", "without": ["compile"]}

    {"pipeline_id": "look", "steps": [{"step": "open"}, {"step": "resolve"}, {"step": "sources", "timeout_s": 60}]}
    """
    import json
    import sys

    from lace_cli.connection import connect
    from lace_cli.failures import WRONG_USE, CommandError

    text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    try:
        definition = json.loads(text)
    except ValueError as error:
        raise CommandError(f"{file} is not JSON: {error}", code="WRONG_USE", exit_code=WRONG_USE) from None
    if not isinstance(definition, dict):
        raise CommandError(f"{file} holds no JSON object.", code="WRONG_USE", exit_code=WRONG_USE)
    with connect() as api:
        made = api.create_pipeline(definition)
    if as_json:
        print_json(made)
        return
    typer.echo(f"{made.pipeline_id} {made.version}: {' → '.join(step.step for step in made.steps)}")
    typer.echo(f"Run it: lace pipelines run {made.pipeline_id}")


@_app.command("run")
def run(
    pipeline_id: Annotated[str, typer.Argument(metavar="PIPELINE", help="As `lace pipelines` shows it.")],
    title: Annotated[str, typer.Option("--title", "-t", help="Title, where it writes a new document.")] = "",
    instructions: Annotated[str, typer.Option("--instructions", "-i", help="What it is to say or to change.")] = "",
    artifact: Annotated[str, typer.Option("--artifact", help="The artifact, where it changes one.")] = "",
    node: Annotated[str, typer.Option("--node", help="The section that is meant; all where left out.")] = "",
    source: SourceIds = None,
    target: Targets = None,
    override: Overrides = None,
    out: Out = Path("out"),
    as_json: AsJson = False,
) -> None:
    """Run a pipeline and save the files that it makes.

    Example:  lace pipelines run draft --title "Harrow Bay"
    """
    from lace_cli.connection import connect
    from lace_cli.writing import finish

    with connect() as api:
        started = api.start_run(
            pipeline_id,
            title=title,
            instructions=text_of(instructions),
            artifact_id=artifact,
            node_id=node,
            source_ids=source or (),
            targets=target or (),
            settings=overrides_of(override or ()),
        )
        finish(api, started.run_id, f"Running {started.pipeline_id}", out, as_json)
