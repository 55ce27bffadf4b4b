"""`lace test --watch`: a round for every head and every text of the suite, and none besides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lace_cli.failures import CommandError
from lace_cli.suite_watch import Watch
from lace_core.errors import LaceError, Reason


def _check(status: str) -> dict[str, Any]:
    finding = {"code": "QUESTION_UNANSWERED", "message": "Nothing says so.", "places": []}
    return {
        "check_id": "cost", "rule": "answers", "status": status, "why": "", "message": "", "answers": [],
        "findings": [finding] if status == "failed" else [], "finding_count": 0,
    }  # fmt: skip


def _watched(heads: list[Any], suites: list[Any], statuses: dict[str, str]) -> tuple[list[str], list[str], Watch]:
    """What is said and which heads are tested; each wait is the next second of the world."""
    said: list[str] = []
    tested: list[str] = []
    seconds: Iterator[int] = iter(range(1, len(heads)))
    at = 0

    def given(values: list[Any]) -> Any:
        value = values[min(at, len(values) - 1)]
        if isinstance(value, Exception):
            raise value
        return value

    def test(asked: dict[str, Any]) -> dict[str, Any]:
        head = given(heads)
        tested.append(f"{head} {asked['text']}")
        status = statuses.get(head, "passed")
        counts = {"failed": int(status == "failed"), "errors": 0, "passed": 1, "skipped": 0}
        return {"status": status, "revision_id": head, "checks": [_check(status)], **counts}

    def wait(_: float) -> None:
        nonlocal at
        at = next(seconds, -1)
        if at < 0:
            raise KeyboardInterrupt

    watch = Watch(lambda: given(heads), lambda: {"text": given(suites)}, test, said.append, wait, lambda: "09:41:07")
    with pytest.raises(KeyboardInterrupt):
        watch.follow()
    return said, tested, watch


def test_each_head_is_tested_once() -> None:
    said, tested, watch = _watched(["rev_1", "rev_1", "rev_2", "rev_2"], ["a"], {"rev_2": "failed"})
    assert tested == ["rev_1 a", "rev_2 a"]
    assert said[:2] == ["09:41:07  rev_1  passed: 1 passed", "09:41:07  rev_2  failed: 1 failed, 1 passed"]
    assert "QUESTION_UNANSWERED: Nothing says so." in said
    assert not watch.passed


def test_another_text_of_the_suite_is_another_round_and_what_is_mended_passes() -> None:
    said, tested, watch = _watched(["rev_1", "rev_1", "rev_2"], ["a", "b", "b"], {"rev_1": "failed"})
    assert tested == ["rev_1 a", "rev_1 b", "rev_2 b"]
    assert said[-1] == "09:41:07  rev_2  passed: 1 passed"
    assert watch.passed


def test_trouble_is_told_once_and_ends_nothing() -> None:
    away = LaceError(Reason.SERVICE_UNAVAILABLE, "It cannot be reached.", retryable=True)
    wrong = CommandError("bad.yaml:5:5: There is no rule 'anwsers'.", code="SUITE_RULE_UNKNOWN")
    said, tested, _ = _watched(["rev_1", away, away, "rev_1", "rev_1"], ["a", "a", "a", wrong, "a"], {})
    assert tested == ["rev_1 a", "rev_1 a"]  # what happened meanwhile is not known
    assert [line for line in said if "rev_1" not in line] == [
        "09:41:07  It cannot be reached. [SERVICE_UNAVAILABLE]",
        "09:41:07  bad.yaml:5:5: There is no rule 'anwsers'.",
    ]


def test_a_document_without_a_head_is_waited_for() -> None:
    said, tested, _ = _watched(["", "", "rev_1"], ["a"], {})
    assert (said[0], tested) == ("09:41:07  Nothing is written yet.", ["rev_1 a"])
