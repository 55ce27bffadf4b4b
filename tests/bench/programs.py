"""Small programs of the benchmarks, in processes of their own: a line to them, a line back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.bench.processes import ROOT


class Program:
    """One that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def tell(self, line: str) -> None:
        """A line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def line(self) -> str:
        """The next line from it; raises RuntimeError where it has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the program ended")
        return line

    def ask(self, verb: str, **arguments: Any) -> Any:
        """A command, and the answer to it, in JSON."""
        self.tell(json.dumps([verb, arguments]))
        return json.loads(self.line())


@contextmanager
def program(name: str) -> Iterator[Program]:
    """The module of this package, until the end of the block."""
    command = [sys.executable, "-m", f"tests.bench.{name}"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Program(process)
        finally:
            process.kill()
