"""Suites as files: reading one, and showing what is wrong with it as compilers do."""

from __future__ import annotations

import re
from pathlib import Path

from lace_cli.failures import WRONG_USE, CommandError
from lace_cli.printable import printable
from lace_core.errors import LaceError
from lace_core.suites.suite import ReadSuite, parse

_PLACE = re.compile(r"line (\d+), column (\d+)(?: \(([^)]*)\))?: (.*)", re.DOTALL)


def read_suite(path: Path) -> ReadSuite:
    """The suite of a file. Raises CommandError, exit code 2, with every mistake as file:line:column: message."""
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        raise CommandError(f"{path} does not exist.", code="PATH_NOT_FOUND", exit_code=WRONG_USE) from None
    except LaceError as error:
        told = "\n".join(_told(path, detail.description) for detail in error.details)
        advice = "What a suite may hold: lace test --schema"
        raise CommandError(told, code=error.reason.value, advice=advice, exit_code=WRONG_USE) from None


def _told(path: Path, description: str) -> str:
    found = _PLACE.fullmatch(description)
    if found is None:
        return f"{path}: {printable(description)}"
    return f"{path}:{found[1]}:{found[2]}: {printable(found[4])}"
