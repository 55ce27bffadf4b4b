"""Suites on a thread where that is quick, else in child processes within limits; a bounded number at a time."""

from __future__ import annotations

import asyncio

from lace_core.errors import LaceError, Reason
from lace_core.ir import Artifact
from lace_core.suites.facts import Facts
from lace_core.suites.passages import Reading
from lace_core.suites.results import SuiteResult
from lace_core.suites.running import run_suite
from lace_core.suites.suite import ReadSuite
from lace_platform.children import ChildFailed, ChildLimits, run_in_child
from lace_platform.telemetry import get_logger
from lace_runs.adapters.testing import testing_child
from lace_runs.adapters.testing.testing_child import Order

_TARGET = f"{testing_child.__name__}:{testing_child.run.__name__}"
_MEMORY_BYTES = 1024 << 20
_OUTPUT_BYTES = 64 << 20
# Checks times passages that take some tenths of a second, as long as a child needs to start; a thread then does.
_LITTLE = 10_000
_log = get_logger()


class ChildSuiteRunner:
    """See app.suites.ports.SuiteRunner."""

    def __init__(self, timeout_s: float, concurrency: int) -> None:
        self._limits = ChildLimits(timeout_s, int(timeout_s) or 1, _MEMORY_BYTES, _OUTPUT_BYTES)
        self._slots = asyncio.Semaphore(concurrency)

    async def run(self, suite: ReadSuite, artifact: Artifact, facts: Facts) -> SuiteResult:
        """What comes of a suite."""
        async with self._slots:
            if len(Reading(artifact).passages) * len(suite.suite.checks) <= _LITTLE:
                return await asyncio.to_thread(run_suite, suite, artifact, facts)
            return await self._in_child(suite, artifact, facts)

    async def _in_child(self, suite: ReadSuite, artifact: Artifact, facts: Facts) -> SuiteResult:
        try:
            argument = await asyncio.to_thread(testing_child.pack, Order(suite.text, artifact, facts))
            answer = await run_in_child(_TARGET, argument, limits=self._limits)
            return await asyncio.to_thread(testing_child.decode, answer)
        except ChildFailed as failure:
            _log.warning("suite_failed", kind=failure.kind, detail=failure.detail)
            raise self._refusal(suite.suite.name, artifact.artifact_id, failure) from failure

    def _refusal(self, name: str, artifact_id: str, failure: ChildFailed) -> Exception:
        beyond = {
            "timeout": f"The suite {name} takes longer than {self._limits.wall_s:g} s on {artifact_id}.",
            "memory": f"The suite {name} needs more memory than {_MEMORY_BYTES >> 20} MiB on {artifact_id}.",
            "output": f"The suite {name} has more to tell of {artifact_id} than can be told at once.",
        }
        if failure.kind in beyond:
            return LaceError(Reason.SUITE_LIMIT_EXCEEDED, beyond[failure.kind])
        return failure
