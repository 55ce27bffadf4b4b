"""The pipelines ingest and import: a job for each source, read by ingest, a bounded number of them out at once.

A source that cannot be read does not stop the rest, and neither does one whose reading failed for no fault of its own
as often as a step may be tried: what became of each is its step's result. What lies in the inbox is registered first,
in a job of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from lace_core.errors import REASONS, LaceError, Reason
from lace_runs.app.execution import Execution
from lace_runs.app.gathering import gather
from lace_runs.app.provenance import source_entity
from lace_runs.app.source_ports import Sources
from lace_runs.app.step_scope import StepScope, Target
from lace_runs.domain import steps as out
from lace_runs.domain.limits import step_limits

TOPIC = "source.ingest.requested"
IMPORT_TOPIC = "source.import.requested"
STEP = "ingest"
IMPORT_STEP = "import"
_JOBS_OF_OLDER_RUNS = 16  # they pinned no ingest.jobs_per_run
# A thousand files may each have something to say; the run's own list stays one that a person reads.
_MOST_NOTICES = 100
_MOST_WARNINGS = 20
_LONGEST_WARNING = 500


class IngestRun:
    """Sources being read."""

    def __init__(self, execution: Execution, sources: Sources) -> None:
        self.execution = execution
        self._sources = sources
        self._total = 0
        self._results: dict[str, out.Ingested] = {}
        self._refused = 0  # objects of the inbox that are no sources

    async def ingest(self) -> None:
        """Read all sources of the request; raises LaceError NO_USABLE_SOURCES when none could be."""
        execution = self.execution
        source_ids: Sequence[str] = execution.run.request.source_ids
        if IMPORT_STEP in execution.pipeline.names:
            source_ids = await self._import()
        self._total = len(source_ids) + self._refused
        execution.set_total(len(source_ids) + (IMPORT_STEP in execution.pipeline.names))
        execution.figures = lambda: {"files": self._counts()}
        at_once = int(execution.run.settings.get("ingest.jobs_per_run", _JOBS_OF_OLDER_RUNS))
        left = iter(source_ids)
        await gather([self._read(left) for _ in range(min(at_once, len(source_ids)))])
        execution.figures = None
        if not any(result.ok for result in self._results.values()):
            raise self._nothing_read(source_ids)
        execution.finish = self._result

    async def _read(self, left: Iterator[str]) -> None:
        for source_id in left:
            self._results[source_id] = await self._one(source_id)

    async def _result(self) -> Mapping[str, Any]:
        return {"files": self._counts()}

    def _counts(self) -> dict[str, int]:
        ready = [result for result in self._results.values() if result.ok]
        failed = len(self._results) - len(ready) + self._refused
        units = sum(result.units for result in ready)
        return {"total": self._total, "ready": len(ready), "failed": failed, "units": units}

    def _nothing_read(self, source_ids: Sequence[str]) -> LaceError:
        if len(source_ids) == 1:
            result = self._results[source_ids[0]]
            if result.error_code in REASONS:
                return LaceError(Reason(result.error_code), result.error_message)
        message = "None of the sources could be read; see the warnings, or the run's files."
        return LaceError(Reason.NO_USABLE_SOURCES, message)

    # -- one source -------------------------------------------------------------------------------------------------

    async def _one(self, source_id: str) -> out.Ingested:
        async def work(scope: StepScope) -> out.Ingested:
            # Known before its boundary is written, so that the progress which is told with it counts it.
            self._results[source_id] = await self._ingest(scope, source_id)
            return self._results[source_id]

        try:
            result = await self.execution.step(STEP, work, Target(source_id, ""))
        except LaceError as error:
            if error.reason is not Reason.STEP_TIMEOUT:
                raise
            # It has no result: a restart of the run tries it again.
            return out.Ingested(
                source_id=source_id, filename="", ok=False, units=0, error_code=error.reason.value,
                error_message=error.message,
            )  # fmt: skip
        assert isinstance(result, out.Ingested)
        return result

    async def _ingest(self, scope: StepScope, source_id: str) -> out.Ingested:
        payload = {**self._order(), "source_id": source_id}
        answer = await self.execution.job(scope, TOPIC, payload, is_answer=_is_answer)
        if not _is_answer(answer):
            return await self._faulty(scope, source_id, answer)
        source = answer["source"]
        ok = source.get("state") == "ready"
        scope.lineage.used(source_entity(source_id, source["sha256"], source["raw_uri"]))
        scope.lineage.sources.add(source_id)
        scope.lineage.labels.update(source["labels"])
        warnings = tuple(str(warning)[:_LONGEST_WARNING] for warning in source["warnings"])
        for warning in warnings:
            await self._notice(scope, "SOURCE_WARNING", f"{source['filename']}: {warning}", source_id)
        if not ok:
            await self._notice(scope, source["error_code"], source["error_message"], source_id)
        scope.summary = f"{source['filename']}: {source['unit_count']} units" if ok else source["error_code"]
        return out.Ingested(
            source_id=source_id,
            filename=source["filename"],
            ok=ok,
            units=int(source["unit_count"]),
            error_code=source["error_code"],
            error_message=source["error_message"],
            words=int(source["word_count"]),
            pages=int(source["page_count"]),
            warnings=warnings[:_MOST_WARNINGS],
            labels=tuple(source["labels"]),
            duration_ms=self._worked_ms(scope),
        )

    async def _faulty(self, scope: StepScope, source_id: str, answer: Mapping[str, Any]) -> out.Ingested:
        """Reading failed for no fault of the document: once more, or, as often as it may be tried, its result."""
        code, message = str(answer["fault_code"]), str(answer["fault_message"])
        tried = len(self.execution.jobs.of(scope.step_id, self.execution.attempt))
        if tried < step_limits(scope.step, self.execution.run.settings).attempts:
            raise LaceError(Reason.READING_FAILED, f"{code}: {message}", retryable=True)
        await self._notice(scope, Reason.READING_FAILED.value, f"{source_id}: {code}: {message}", source_id)
        scope.summary = Reason.READING_FAILED.value
        return out.Ingested(
            source_id=source_id,
            filename="",
            ok=False,
            units=0,
            error_code=Reason.READING_FAILED.value,
            error_message=f"It was tried {tried} times. {code}: {message}",
            duration_ms=self._worked_ms(scope),
        )

    async def _notice(self, scope: StepScope, code: str, message: str, source_id: str) -> None:
        said = len(self.execution.notices.found)
        if said < _MOST_NOTICES:
            await self.execution.warn(scope, code, message, source_id)
        elif said == _MOST_NOTICES:
            more = f"There are more; GET /v1/runs/{self.execution.run.run_id}/files has them all."
            await self.execution.warn(scope, "WARNINGS_LEFT_OUT", more)

    def _worked_ms(self, scope: StepScope) -> int:
        return max(0, round((self.execution.tools.now() - scope.started_at).total_seconds() * 1000))

    def _order(self) -> dict[str, Any]:
        """What every job for ingest says."""
        run = self.execution.run
        settings = {k: v for k, v in run.settings.items() if k.startswith("ingest.")}
        return {
            "run_id": run.run_id,
            "tenant_id": run.tenant_id,
            "settings_json": orjson.dumps(settings, option=orjson.OPT_SORT_KEYS).decode(),
        }

    # -- the inbox --------------------------------------------------------------------------------------------------

    async def _import(self) -> Sequence[str]:
        """The sources that the objects of the inbox are, each once, in the order of the objects' names."""
        imported = await self.execution.step(IMPORT_STEP, self._register)
        assert isinstance(imported, out.Imported)
        self._refused = sum(1 for found in imported.objects if not found.source_id)
        source_ids = list(dict.fromkeys(found.source_id for found in imported.objects if found.source_id))
        if not source_ids:
            raise LaceError(Reason.NO_USABLE_SOURCES, "None of the objects could be taken in; see the run's files.")
        return source_ids

    async def _register(self, scope: StepScope) -> out.Imported:
        request = self.execution.run.request
        asked = {"prefix": request.prefix, "labels": list(request.labels)}
        payload = {**self._order(), **asked, "requested_by": self.execution.run.requested_by}
        answer = await self.execution.job(scope, IMPORT_TOPIC, payload)
        if answer["error_code"]:
            code = answer["error_code"]
            reason = Reason(code) if code in REASONS else Reason.INTERNAL
            raise LaceError(reason, str(answer["error_message"]), retryable=False)
        objects = tuple(out.ImportedObject(**found) for found in answer["objects"])
        for found in objects:
            if found.error_code:
                await self._notice(scope, found.error_code, f"{found.name}: {found.error_message}", found.name)
        scope.summary = f"{len(objects)} objects"
        return out.Imported(objects=objects)


def _is_answer(result: Mapping[str, Any]) -> bool:
    """Whether a job says what became of the document, and not that nobody could find out."""
    return not result.get("fault_code")
