"""A small world for runs: sources in memory, a model that answers by rule, and everything else real."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from lace_core import contracts
from lace_core.canonical import canonical_json, sha256_hex
from lace_core.errors import LaceError, Reason
from lace_core.ir import Source
from lace_core.planning import Hit, Unit
from lace_core.settings import resolve
from lace_platform.clock import utc_now
from lace_platform.db.database import Database, SystemDatabase
from lace_platform.db.listener import Listener
from lace_platform.ids import new_id
from lace_runs.adapters.boundary import GroupCommit
from lace_runs.adapters.lease import WorkerLease
from lace_runs.adapters.work import WORK_CHANNEL, OpenPostgresUnitOfWork
from lace_runs.app import control, quotas, runs
from lace_runs.app.bodies import bodies
from lace_runs.app.documents.work import Writers
from lace_runs.app.execution import Tools
from lace_runs.app.model_ports import ModelAnswer, PromptTokens, TokenCounts
from lace_runs.app.ports import Caller, Resolved, Span
from lace_runs.app.source_ports import BundleInfo, SourceInfo
from lace_runs.app.worker import Worker
from lace_runs.domain.quotas import UNLIMITED, Limits
from lace_runs.domain.runs import DEFAULT_PRIORITY, Job, Request, Run, Trigger
from tests.doubles.fact_store import MemoryFactStore
from tests.doubles.model_rules import ModelRules

_OPEN_JOBS = """
SELECT job_id, step_id, topic, payload FROM runs.run_jobs WHERE run_id = :run_id AND result IS NULL
ORDER BY sent_at, job_id
"""

TEXTS = {
    "Cost": "The bridge cost 4.2 million pounds in 2021. The council paid 3.0 million pounds of the cost.",
    "Safety": "Inspectors tested the bridge on 3 May 2022. No crack was found in the main girders.",
}
SOURCE = Source(
    source_id="src_bridge",
    version=sha256_hex(b"bridge"),
    filename="bridge.md",
    title="The bridge",
    media_type="text/markdown",
)


def units() -> dict[str, Unit]:
    """The units of the one source, a paragraph for each heading."""
    found = {}
    for order, (heading, text) in enumerate(TEXTS.items()):
        end = text.index(". ") + 1
        unit = Unit(
            unit_id=f"unt_{heading.lower()}",
            source_id=SOURCE.source_id,
            source_version=SOURCE.version,
            extraction="test.1",
            filename=SOURCE.filename,
            kind="paragraph",
            text=text,
            order=order,
            heading_path=(heading,),
            spans=((0, end), (end + 1, len(text))),
        )
        found[unit.unit_id] = unit
    return found


class MemorySources:
    """See app.source_ports.Sources."""

    def __init__(self) -> None:
        self.units = units()
        self.known = {SOURCE.source_id: SOURCE}
        self.bundles: dict[str, list[tuple[str, ...]]] = {}
        self.earlier: dict[str, Unit] = {}

    def add(self, name: str, texts: Mapping[str, str]) -> Source:
        """A further source that is ready, with a paragraph of two sentences for each heading."""
        version = sha256_hex(name.encode())
        source = msgspec.structs.replace(
            SOURCE, source_id=f"src_{name}", version=version, filename=f"{name}.md", title=name
        )
        self.known[source.source_id] = source
        for order, (heading, text) in enumerate(texts.items()):
            end = text.index(". ") + 1
            unit = Unit(
                unit_id=f"unt_{name}_{heading.lower()}", source_id=source.source_id, source_version=version,
                extraction="test.1", filename=source.filename, kind="paragraph", text=text, order=order,
                heading_path=(heading,), spans=((0, end), (end + 1, len(text))),
            )  # fmt: skip
            self.units[unit.unit_id] = unit
        return source

    async def get(self, source_id: str) -> SourceInfo:
        if source_id not in self.known:
            raise LaceError(Reason.SOURCE_NOT_FOUND, f"No source {source_id}.")
        return self._info(self.known[source_id])

    async def many(self, source_ids: Sequence[str]) -> Mapping[str, SourceInfo]:
        return {source_id: self._info(self.known[source_id]) for source_id in source_ids if source_id in self.known}

    async def list_ready(self) -> Sequence[str]:
        return list(self.known)

    async def outlines(self, source_ids: Sequence[str]) -> Sequence[SourceInfo]:
        return [self._info(source) for source_id, source in self.known.items() if source_id in source_ids]

    async def search(
        self, queries: Sequence[tuple[str, str]], source_ids: Sequence[str], limit: int, settings: Mapping[str, Any]
    ) -> tuple[Sequence[Sequence[Hit]], Mapping[str, Unit]]:
        found = [
            [
                Hit(u.unit_id, 1_000_000, "words")
                for u in self.units.values()
                if u.heading_path[0] in text and u.source_id in source_ids
            ]
            for _, text in queries
        ]
        return found, self.units

    async def bundle(self, name: str, version: int) -> BundleInfo:
        if name not in self.bundles:
            raise LaceError(Reason.BUNDLE_NOT_FOUND, f"No bundle {name}.")
        kept = self.bundles[name]
        number = version or len(kept)
        return BundleInfo(f"bnd_{name}", number, kept[number - 1], "b" * 64)

    async def unit_texts(self, cited: Iterable[tuple[str, str]]) -> Mapping[str, str]:
        wanted = set(cited)
        kept = {**self.earlier, **self.units}.values()
        return {unit.unit_id: unit.text for unit in kept if (unit.source_id, unit.extraction) in wanted}

    def read_again(self, extraction: str) -> None:
        """As after another reading: other units are found, and those of before are kept."""
        self.earlier.update(self.units)
        again = [
            msgspec.structs.replace(unit, unit_id=f"{unit.unit_id}_{extraction}", extraction=extraction)
            for unit in self.units.values()
        ]
        self.units = {unit.unit_id: unit for unit in again}

    def _info(self, source: Source) -> SourceInfo:
        own = [unit for unit in self.units.values() if unit.source_id == source.source_id]
        sections = tuple(
            contracts.SourceSection(heading_path=u.heading_path, words=9, tables=0, lead=u.text) for u in own
        )
        outline = contracts.SourceOutline(
            source_id=source.source_id, filename=source.filename, title=source.title, sections=sections
        )
        return SourceInfo(source, "ready", "", "", outline)


@dataclass
class RuleModel(ModelRules):
    """A model that answers by rule, late, or only after failures."""

    delay_s: float = 0.0
    fail_first: list[LaceError] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    context_tokens: int = 1_000_000

    async def count(
        self, prompts: Sequence[tuple[contracts.Contract, str]], parts: Sequence[str], settings: Mapping[str, Any]
    ) -> TokenCounts:
        return TokenCounts(
            tuple(PromptTokens(len(text), self.context_tokens, "bound") for _, text in prompts), tuple(map(len, parts))
        )

    async def generate(
        self,
        contract: contracts.Contract,
        input_json: str,
        *,
        run_id: str,
        step_id: str,
        attempt: int,
        settings: Mapping[str, Any],
        progress: Callable[[int], None],
    ) -> ModelAnswer:
        self.asked.append(step_id)
        await asyncio.sleep(self.delay_s)
        if self.fail_first:
            raise self.fail_first.pop(0)
        output = self.answer(contract, msgspec.json.decode(input_json, type=contract.input_type))
        call = {
            "call_id": new_id("cal"),
            "provider": "rule",
            "requested_model": "rule",
            "answered_model": "rule",
            "fingerprint": "",
            "temperature_milli": 0,
            "template_hash": "",
            "input_hash": sha256_hex(input_json.encode()),
            "output_hash": sha256_hex(output.encode()),
            "finish_reason": "stop",
            "input_tokens": 1,
            "output_tokens": 1,
            "cost_micro_usd": 0,
            "count_method": "bound",
            "repairs": 0,
            "prompt_sample": "",
            "output_sample": "",
        }
        return ModelAnswer(output, call)


class MemorySnapshots:
    """See app.ports.Snapshots."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def put_snapshot(self, tenant_id: str, artifact_id: str, revision_id: str, data: bytes) -> tuple[str, str]:
        uri = f"lace-artifacts/{tenant_id}/{artifact_id}/{revision_id}/ir.json"
        self.kept[uri] = data
        return uri, sha256_hex(data)

    async def put_result(self, tenant_id: str, run_id: str, sha256: str, data: bytes) -> str:
        uri = f"lace-replay/{tenant_id}/{run_id}/results/{sha256}.json"
        self.kept[uri] = data
        return uri

    async def get(self, uri: str, sha256: str) -> bytes:
        return self.kept[uri]


@contextlib.asynccontextmanager
async def acting(run: Run, timeout_s: float) -> AsyncIterator[None]:
    yield


@contextlib.contextmanager
def span(run: Run, name: str) -> Iterator[Span]:
    yield Span()


@dataclass
class World:
    """A worker on the session's database, and what tests do to it."""

    open: OpenPostgresUnitOfWork
    system: SystemDatabase
    listener: Listener
    dsn: str
    password: str
    tenant_id: str
    model: RuleModel = field(default_factory=RuleModel)
    sources: MemorySources = field(default_factory=MemorySources)
    snapshots: Any = field(default_factory=MemorySnapshots)

    def __post_init__(self) -> None:
        self.facts = MemoryFactStore(self.sources.known, self.sources.units)

    def caller(self, key: str = "") -> Caller:
        everything = frozenset(runs.GRANT)
        return Caller(
            self.tenant_id, "prn_test", frozenset(), everything, frozenset(), "req", "cor", key or new_id("idk"), ""
        )

    async def start(
        self,
        pipeline_id: str,
        settings: Mapping[str, Any] | None = None,
        *,
        priority: int = DEFAULT_PRIORITY,
        limits: Limits = UNLIMITED,
        **request: Any,
    ) -> Run:
        values = {**resolve([]).values, "runs.bench_pipelines": True, "compile.targets": [], **(settings or {})}
        artifact_id = request.pop("artifact_id", "")
        start = runs.Start(pipeline_id, Request(**request), artifact_id, priority=priority)
        resolved = Resolved(values, sha256_hex(canonical_json(values)), "", limits)
        await quotas.keep(self.open, self.tenant_id, limits)
        async with self.open(self.tenant_id) as work:
            run = await runs.start_run(work, self.caller(), start, resolved, utc_now())
            await work.commit()
        return run

    async def control(self, run_id: str, trigger: Trigger, from_step_id: str = "") -> Run:
        async with self.open(self.tenant_id) as work:
            order = control.Order(run_id, trigger, from_step_id=from_step_id)
            run, _ = await control.control_run(work, self.caller(), order, utc_now())
            await work.commit()
        return run

    async def get(self, run_id: str) -> Run:
        async with self.open(self.tenant_id) as work:
            return await work.runs.get(self.tenant_id, run_id)

    async def events(self, run_id: str) -> list[Any]:
        async with self.open(self.tenant_id) as work:
            return list((await work.events.page(self.tenant_id, run_id, 0, 10_000)).events)

    async def open_jobs(self, run_id: str) -> list[Job]:
        """The jobs of a run that nobody has answered yet, oldest first."""
        async with self.system.transaction() as tx:
            rows = await tx.fetch_all(_OPEN_JOBS, {"run_id": run_id})
        return [Job(row.job_id, row.step_id, row.topic, row.payload) for row in rows]

    async def answer(self, run_id: str, job_id: str, result: Mapping[str, Any]) -> None:
        """Answers a job as its service would."""
        async with self.open(self.tenant_id) as work:
            await runs.finish_job(work, self.tenant_id, run_id, job_id, result)
            await work.commit()

    async def sql(self, statement: str, **values: Any) -> int:
        """Does something to the tables that no use case does; how many rows it touched."""
        async with self.system.transaction() as tx:
            touched = (await tx.execute(statement, values)).rowcount
            await tx.commit()
        return int(touched)

    async def until_started(self, run_id: str, seconds: float = 20.0) -> None:
        """Until the run's beginning is written."""
        async with asyncio.timeout(seconds):
            while (await self.get(run_id)).started_at is None:
                await asyncio.sleep(0.02)

    async def until(self, run_id: str, *states: str, seconds: float = 20.0) -> Run:
        async with asyncio.timeout(seconds):
            while (run := await self.get(run_id)).state.value not in states:
                await asyncio.sleep(0.02)
        return run

    @contextlib.asynccontextmanager
    async def worker(
        self, *, lease_ms: int = 1500, publish_events: bool = False, concurrency: int = 100
    ) -> AsyncIterator[tuple[WorkerLease, Worker]]:
        commit = GroupCommit(self.system, dict, publish_events=publish_events)
        await commit.start()
        lease = WorkerLease(self.system, self.dsn, self.password, lease_ms=lease_ms, renewal_ms=100)
        await lease.start()
        news, jobs = self.listener.subscribe(WORK_CHANNEL), self.listener.subscribe(WORK_CHANNEL)
        tools = Tools(commit, self.snapshots, acting, span, utc_now, lease.worker_id, jobs.wait)
        made = bodies(Writers(self.open, self.sources, self.model, self.facts))
        worker = Worker(lease, tools, made, concurrency=concurrency, news=news.wait, ended=lambda run_id: None)
        await worker.start()
        try:
            yield lease, worker
        finally:
            await worker.close()
            await lease.close()
            await commit.close()
            news.close()
            jobs.close()


def world(
    database: Database, system: SystemDatabase, listener: Listener, dsn: str, password: str, tenant: str
) -> World:
    """A world on the given logins."""
    return World(OpenPostgresUnitOfWork(database), system, listener, dsn, password, tenant)
