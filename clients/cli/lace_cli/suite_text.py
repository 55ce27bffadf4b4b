"""What came of a test as it is read: a mark for each check, then what failed with the sentences it is about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lace_cli.printable import printable

_MARKS = {"passed": ".", "failed": "F", "skipped": "s", "error": "E"}
_WIDTH = 100
_MOST_FINDINGS = 10
_MOST_PLACES = 5


def report(test: dict[str, Any], *, verbose: bool) -> str:
    """The whole of it; `test` is a DocumentTest as plain JSON."""
    checks = test["checks"]
    version = f" {test['suite_version']}" if test["suite_version"] else ""
    noun = "check" if len(checks) == 1 else "checks"
    lines = [f"{test['suite']}{version}: {len(checks)} {noun} on {test['artifact_id']} at {test['revision_id']}", ""]
    lines += _verbose(checks) if verbose else ["".join(_MARKS[check["status"]] for check in checks)]
    lines += failures(checks)
    skipped = [check for check in checks if check["status"] == "skipped"]
    lines += [""] if skipped else []
    lines += [f"SKIPPED {check['check_id']}: {printable(check['message'])}" for check in skipped]
    return "\n".join([*lines, "", summary(test)])


def summary(test: dict[str, Any]) -> str:
    """The last line."""
    middle = f" {test['status']}: {told(test)} ({test['test_id']}) "
    return middle.center(_WIDTH, "=")


def told(test: dict[str, Any]) -> str:
    """How many checks came to what."""
    counts = (("failed", "failed"), ("errors", "could not be checked"), ("passed", "passed"), ("skipped", "skipped"))
    return ", ".join(f"{test[name]} {word}" for name, word in counts if test[name]) or "nothing to check"


def failures(checks: list[dict[str, Any]]) -> list[str]:
    """What failed and what could not be checked, each with the sentences that it is about."""
    order = [check for status in ("failed", "error") for check in checks if check["status"] == status]
    return [line for check in order for line in ("", *_failure(check))]


def _verbose(checks: list[dict[str, Any]]) -> Iterator[str]:
    width = max(len(check["check_id"]) for check in checks)
    for check in checks:
        yield f"{check['status'].upper():8}{check['check_id']:{width}}  {check['rule']}"
        if check["status"] == "passed":
            yield from (f"{'':8}  “{printable(place['text'])}”" for place in check["answers"][:_MOST_PLACES])


def _failure(check: dict[str, Any]) -> Iterator[str]:
    yield f" {check['check_id']} ({check['rule']}) ".center(_WIDTH, "_")
    if check["why"]:
        yield f"why: {printable(check['why'])}"
    if not check["findings"]:
        yield printable(check["message"])
    for finding in check["findings"][:_MOST_FINDINGS]:
        yield f"{finding['code']}: {printable(finding['message'])}"
        for place in finding["places"][:_MOST_PLACES]:
            yield f"    {_where(place)}"
            if place["text"]:
                yield f"    “{printable(place['text'])}”"
    left_out = check["finding_count"] - min(len(check["findings"]), _MOST_FINDINGS)
    if left_out > 0:
        yield f"… and {left_out} more: --json shows all"


def _where(place: dict[str, Any]) -> str:
    titles = " › ".join(printable(title) for title in place["section"][1:]) or "the document"
    return f"{titles}  {place['pointer'] or '/'}"
