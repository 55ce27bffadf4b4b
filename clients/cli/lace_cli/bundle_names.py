"""A bundle and its version as they are named at the command line: NAME or NAME@N."""

from __future__ import annotations

from lace_cli.failures import WRONG_USE, CommandError


def bundle_of(text: str) -> tuple[str, int]:
    """The bundle and the number of its version, 0 for the newest. Raises CommandError."""
    name, at, number = text.partition("@")
    if name and not at:
        return name, 0
    if name and number.isascii() and number.isdigit() and int(number) > 0:
        return name, int(number)
    raise CommandError(
        f"{text!r} names no bundle.",
        code="BUNDLE_NAME_INVALID",
        advice="Write NAME for its newest version, NAME@2 for version 2.",
        exit_code=WRONG_USE,
    )
