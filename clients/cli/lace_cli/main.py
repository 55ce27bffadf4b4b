"""The entry point of the `lace` command: its groups, and the one place where failures are shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from lace_cli.commands import (
    ask,
    batches,
    bundles,
    changes,
    context,
    database,
    dead_letters,
    demo,
    diff,
    documents,
    evaluations,
    events,
    facts,
    health,
    history,
    paragraphs,
    pipelines,
    policies,
    providers,
    publications,
    quotas,
    reviews,
    revisions,
    runs,
    search,
    serve,
    settings,
    sources,
    suites,
    templates,
    tokens,
    up,
    usage,
    verdicts,
)
from lace_cli.failures import FAILED, OK
from lace_cli.panels import arrange

_EPILOG = """
A first document, offline: [bold]lace demo[/bold]   ·   Leave it running: [bold]lace up[/bold]

Where the API is and with which token: LACE_URL and LACE_TOKEN, or else the installation that [bold]lace up[/bold]
keeps in --data-dir.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 not reached, 4 not allowed, 5 not found.
"""

app = typer.Typer(
    name="lace",
    help="From a folder of documents to a cited, compiled document.",
    epilog=_EPILOG,
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (
    up,
    demo,
    sources,
    search,
    bundles,
    diff,
    documents,
    changes,
    pipelines,
    policies,
    revisions,
    history,
    verdicts,
    reviews,
    suites,
    publications,
    evaluations,
    runs,
    events,
    facts,
    paragraphs,
    context,
    ask,
    providers,
    tokens,
    settings,
    quotas,
    usage,
    dead_letters,
    health,
    serve,
    database,
    templates,
    batches,
):
    module.add_to(app)
arrange(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from lace_core.version import VERSION

        typer.echo(f"lace {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="Folder of the installation (LACE_DATA_DIR, else .lace).", show_default=False),
    ] = None,
    url: Annotated[str | None, typer.Option("--url", help="Address of the API (LACE_URL).", show_default=False)] = None,
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    # Said once for this process and for those it may start.
    if data_dir is not None:
        os.environ["LACE_DATA_DIR"] = str(data_dir)
    if url is not None:
        os.environ["LACE_URL"] = url


# Made once for all command lines of this process: it is the longest part of most.
_command = get_command(app)


def run(arguments: Sequence[str]) -> int:
    """Runs one command line; its exit code. Whatever fails is told in a line on stderr, never as a traceback."""
    try:
        # What it returns is the code of an Exit; a command itself returns nothing.
        ended = _command(list(arguments), prog_name="lace", standalone_mode=False)
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 0
    except TyperException as error:
        from lace_cli.wrong_use import tell

        return tell(error, as_json="--json" in arguments)
    except typer.Abort:
        sys.stderr.write("lace: Nothing was done. [ABORTED]\n")
        return FAILED
    except Exception as error:
        if os.environ.get("LACE_TRACEBACK"):
            raise
        from lace_cli.failures import show

        return show(error, as_json="--json" in arguments)
    return ended if isinstance(ended, int) else OK


def main() -> None:
    """The console script."""
    # Before gRPC loads, see lace_standalone; and it has nothing to tell that we do not tell ourselves.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    sys.exit(run(sys.argv[1:]))
