"""Values for a template's variables, as a command line gives them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from lace_cli.failures import WRONG_USE, CommandError


def values_of(given: Iterable[str]) -> dict[str, Any]:
    """The values of `NAME=TEXT` and `NAME:=JSON`; raises CommandError."""
    values: dict[str, Any] = {}
    for pair in given:
        name, separator, text = pair.partition("=")
        if not separator or not name.strip(":"):
            raise CommandError(
                f"{pair!r} is no value.", code="WRONG_USE", advice="Write --var NAME=TEXT", exit_code=WRONG_USE
            )
        if not name.endswith(":"):
            values[name] = text
            continue
        try:
            values[name[:-1]] = json.loads(text)
        except ValueError as error:
            raise CommandError(
                f"{name[:-1]} is not JSON: {error}.", code="WRONG_USE", advice="Write --var 'n:=3'", exit_code=WRONG_USE
            ) from None
    return values
