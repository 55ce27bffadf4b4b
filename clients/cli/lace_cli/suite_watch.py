"""`lace test --watch`: the suite once more whenever the document's head or the suite itself is another."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lace_cli.failures import CommandError
from lace_cli.suite_text import failures, told
from lace_core.errors import LaceError

_EVERY_S = 1.0


@dataclass
class Watch:
    """One document under one suite until Ctrl-C.

    `head` gives the document's head, `suite` what is asked of it, `test` what came of a test as plain JSON; `say` takes
    a line, `now` gives the time of day that it begins with.
    """

    head: Callable[[], str]
    suite: Callable[[], dict[str, Any]]
    test: Callable[[dict[str, Any]], dict[str, Any]]
    say: Callable[[str], None]
    wait: Callable[[float], None] = time.sleep
    now: Callable[[], str] = lambda: time.strftime("%H:%M:%S")
    passed: bool = True
    _seen: tuple[str, dict[str, Any]] | None = None
    _trouble: str = field(default="")

    def follow(self) -> None:
        """Round after round, until KeyboardInterrupt."""
        while True:
            try:
                self._look()
                self._trouble = ""
            except CommandError as error:
                self._tell_once(str(error))
            except LaceError as error:
                self._seen = None if error.retryable else self._seen
                self._tell_once(f"{error.message} [{error.reason.value}]")
            self.wait(_EVERY_S)

    def _look(self) -> None:
        found = (self.head(), self.suite())
        if found == self._seen:
            return
        # A suite or document that cannot be tested is told once, and looked at again when it is another.
        self._seen = found
        if not found[0]:
            self.say(f"{self.now()}  Nothing is written yet.")
            return
        self._round(self.test(found[1]))

    def _round(self, test: dict[str, Any]) -> None:
        self.passed = test["status"] == "passed"
        revision_id = test["revision_id"]
        self.say(f"{self.now()}  {revision_id}  {test['status']}: {told(test)}")
        for line in failures(test["checks"]):
            self.say(line)

    def _tell_once(self, message: str) -> None:
        if message != self._trouble:
            self.say(f"{self.now()}  {message}")
        self._trouble = message
