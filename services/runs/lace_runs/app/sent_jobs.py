"""The jobs of one run that are with other services: their ids, their results, and one look for all that are out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lace_core.errors import LaceError
from lace_core.ids import derive
from lace_runs.app.ports import NewsOfJobs, RunLog
from lace_runs.domain.runs import Job, Run

POLL_S = 0.5

IsAnswer = Callable[[Mapping[str, Any]], bool]
"""Whether what a job came back with is an answer, or says that another one is to be sent."""


class SentJobs:
    """Jobs by id, under the worker that holds the run."""

    def __init__(self, run: Run, jobs: Mapping[str, Job], log: RunLog, wait_for_news: NewsOfJobs) -> None:
        self._run = run
        self._jobs = dict(jobs)
        self._log = log
        self._wait_for_news = wait_for_news
        self._looking: asyncio.Task[None] | None = None

    def all(self) -> Collection[Job]:
        """Every job, whether it has come back or not."""
        return self._jobs.values()

    def of(self, step_id: str, attempt: int) -> Sequence[Job]:
        """The jobs that a step sent in this attempt of the run, oldest first."""
        found: list[Job] = []
        while (job := self._jobs.get(self._id(step_id, attempt, len(found)))) is not None:
            found.append(job)
        return found

    def pending(self, step_id: str, attempt: int, is_answer: IsAnswer) -> Job | None:
        """The job that the step has out or has an answer from; None where one is to be sent."""
        sent = self.of(step_id, attempt)
        if not sent or (sent[-1].result is not None and not is_answer(sent[-1].result)):
            return None
        return sent[-1]

    def next(self, step_id: str, attempt: int, topic: str, payload: Mapping[str, Any]) -> Job:
        """A job to be sent, with the id that it has however often a crash makes it be made."""
        job_id = self._id(step_id, attempt, len(self.of(step_id, attempt)))
        return Job(job_id, step_id, topic, {**payload, "job_id": job_id})

    def add(self, job: Job) -> None:
        """It was sent."""
        self._jobs[job.job_id] = job

    def discard(self, job: Job) -> None:
        """It was not sent after all."""
        self._jobs.pop(job.job_id, None)

    def forget(self, step_ids: Collection[str]) -> None:
        """The steps are to be done again."""
        self._jobs = {job_id: job for job_id, job in self._jobs.items() if job.step_id not in step_ids}

    async def result(self, job_id: str) -> Mapping[str, Any]:
        """What came of a job, once it is there. Raises LaceError where the log cannot be read."""
        while (result := self._jobs[job_id].result) is None:
            await self._look()
        return result

    async def stop(self) -> None:
        """Nobody waits any more."""
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError, LaceError):
                await self._looking

    def _id(self, step_id: str, attempt: int, number: int) -> str:
        again = (str(number),) if number else ()
        return derive("job", self._run.run_id, step_id, str(attempt), *again)

    async def _look(self) -> None:
        """Wait for news and look once, however many steps wait for theirs."""
        looking = self._looking
        if looking is None or looking.done():
            looking = self._looking = asyncio.create_task(self._take_results(), name="job-results")
        await asyncio.wait([looking])
        if not looking.cancelled() and (failure := looking.exception()) is not None:
            raise failure

    async def _take_results(self) -> None:
        await self._wait_for_news(POLL_S)
        out = [job_id for job_id, job in self._jobs.items() if job.result is None]
        found = await self._log.results(self._run.tenant_id, self._run.run_id, out)
        for job_id, result in found.items():
            if job_id in self._jobs:  # a restart may have forgotten it meanwhile
                self._jobs[job_id] = replace(self._jobs[job_id], result=result)
