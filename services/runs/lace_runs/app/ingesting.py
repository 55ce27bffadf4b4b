"""The pipeline ingest: a job for each source, read by ingest; a source that cannot be read does not stop the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from lace_core.errors import LaceError, Reason
from lace_runs.app.execution import Execution
from lace_runs.app.ports import Sources
from lace_runs.app.provenance import source_entity
from lace_runs.app.step_scope import StepScope, Target
from lace_runs.domain import steps as out

TOPIC = "source.ingest.requested"


class IngestRun:
    """Sources being read."""

    def __init__(self, execution: Execution, sources: Sources) -> None:
        self.execution = execution
        self._sources = sources

    async def ingest(self) -> None:
        """Read all sources of the request at once; raises LaceError NO_USABLE_SOURCES when none could be."""
        run = self.execution.run
        self.execution.set_total(len(run.request.source_ids))
        results = await asyncio.gather(*(self._one(source_id) for source_id in run.request.source_ids))
        read = [result for result in results if result.ok]
        if not read:
            first = results[0]
            reason = Reason(first.error_code) if len(results) == 1 and first.error_code else Reason.NO_USABLE_SOURCES
            message = first.error_message if len(results) == 1 else "None of the sources could be read; see warnings."
            raise LaceError(reason, message)
        self.execution.finish = self._result

    async def _result(self) -> Mapping[str, Any]:
        return {}

    async def _one(self, source_id: str) -> out.Ingested:
        async def work(scope: StepScope) -> out.Ingested:
            return await self._ingest(scope, source_id)

        result = await self.execution.step("ingest", work, Target(source_id, ""))
        assert isinstance(result, out.Ingested)
        return result

    async def _ingest(self, scope: StepScope, source_id: str) -> out.Ingested:
        run = self.execution.run
        settings = {k: v for k, v in run.settings.items() if k.startswith("ingest.")}
        payload = {
            "run_id": run.run_id,
            "tenant_id": run.tenant_id,
            "source_id": source_id,
            "settings_json": orjson.dumps(settings, option=orjson.OPT_SORT_KEYS).decode(),
        }
        source = (await self.execution.job(scope, TOPIC, payload))["source"]
        ok = source.get("state") == "ready"
        scope.lineage.used(source_entity(source_id, source["sha256"], source["raw_uri"]))
        scope.lineage.sources.add(source_id)
        scope.lineage.labels.update(source["labels"])
        for warning in source["warnings"]:
            await self.execution.warn(scope, "SOURCE_WARNING", f"{source['filename']}: {warning}", source_id)
        if not ok:
            await self.execution.warn(scope, source["error_code"], source["error_message"], source_id)
        scope.summary = f"{source['filename']}: {source['unit_count']} units" if ok else source["error_code"]
        return out.Ingested(
            source_id=source_id,
            filename=source["filename"],
            ok=ok,
            units=int(source["unit_count"]),
            error_code=source["error_code"],
            error_message=source["error_message"],
        )
