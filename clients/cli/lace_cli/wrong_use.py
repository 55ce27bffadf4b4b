"""Wrong use of a command, told like every other failure: what is wrong, what was meant, and where to find it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lace_cli.failures import WRONG_USE, CommandError, show

if TYPE_CHECKING:
    from typer.exceptions import TyperException

# What people type who know other programs; these are no commands here, and none that looks alike is meant.
_MEANT = {
    "ls": "lace documents, lace sources or lace runs",
    "list": "lace documents, lace sources or lace runs",
    "docs": "lace documents, or lace open for the API's documentation",
    "artifacts": "lace documents",
    "show": "lace sources show, lace paragraph show, lace review show or lace policy show",
    "status": "lace health, lace runs",
    "ps": "lace runs",
    "logs": "lace events RUN; the program's own log is lace.log in the data folder",
    "start": "lace up",
    "serve-all": "lace up",
    "write": "lace generate",
    "add": "lace ingest",
    "upload": "lace ingest",
    "import": "lace ingest",
    "query": "lace search, lace ask",
    "history": "lace log",
    "lineage": "lace blame ARTIFACT, lace events RUN",
    "config": "lace settings",
    "version": "lace --version",
    "export": "lace compile",
    "build": "lace compile",
}


def tell(error: TyperException, *, as_json: bool) -> int:
    """Writes what is wrong with a command line to stderr; the exit code that goes with it."""
    context: Any = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        # The help is its message; where colours and boxes are at hand it has been printed already.
        return error.exit_code
    advice = [line for line in (_argument(error), _usage(context), _help(context)) if line]
    joint = "\n" if as_json else "\n      "  # under each other, as failures.py sets the first
    told = CommandError(_message(error), code="WRONG_USE", advice=joint.join(advice), exit_code=WRONG_USE)
    return show(told, as_json=as_json)


def _message(error: TyperException) -> str:
    message = " ".join(error.format_message().split())
    wanted = _MEANT.get(_unknown_command(message), "")
    return f"{message.partition(' Did you mean ')[0]} Look at: {wanted}." if wanted else message


def _unknown_command(message: str) -> str:
    """`ls` of: No such command 'ls'."""
    before, _, rest = message.partition("No such command '")
    return "" if before else rest.partition("'")[0]


def _argument(error: TyperException) -> str:
    """Where the missing argument's value is found, as the command's help has it."""
    parameter: Any = getattr(error, "param", None)
    text = getattr(parameter, "help", "") or ""
    if not text or not str(error.format_message()).startswith("Missing argument"):
        return ""
    return f"{parameter.metavar or parameter.name}: {text}"


def _usage(context: Any) -> str:
    return "" if context is None else " ".join(context.get_usage().split())


def _help(context: Any) -> str:
    return "" if context is None else f"More: {context.command_path} --help"
