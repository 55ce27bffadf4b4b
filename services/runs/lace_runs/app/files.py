"""The files that a run reads, each with what became of it, while it reads them and afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lace_runs.app.ingesting import IMPORT_STEP, STEP
from lace_runs.app.ports import OpenUnitOfWork, Snapshots
from lace_runs.app.results import read_result
from lace_runs.app.source_ports import Sources
from lace_runs.domain import steps
from lace_runs.domain.files import FileState, RunFile, file_of
from lace_runs.domain.runs import Checkpoint, Run, StepRecord


@dataclass(frozen=True)
class Files:
    """All files of a run, in order."""

    files: tuple[RunFile, ...]

    def counts(self) -> dict[str, int]:
        """How many there are, how many of them were read and could not be, and the units that came out."""
        states = [file.state for file in self.files]
        ready, failed = states.count(FileState.READY), states.count(FileState.FAILED)
        return {"total": len(states), "ready": ready, "failed": failed, "units": sum(f.units for f in self.files)}

    def page(self, state: str, after: int, limit: int) -> list[tuple[int, RunFile]]:
        """Files behind a place (0: all), of one state where it is named, each with its own place, from 1."""
        found = [(place, file) for place, file in enumerate(self.files, start=1) if state in ("", file.state.value)]
        return [(place, file) for place, file in found if place > after][:limit]


async def run_files(open_work: OpenUnitOfWork, snapshots: Snapshots, tenant_id: str, run_id: str) -> Files:
    """The files of a run; none where it reads none. Raises LaceError RUN_NOT_FOUND, SCHEMA_TOO_NEW."""
    async with open_work(tenant_id) as work:
        run = await work.runs.get(tenant_id, run_id)
        results = await work.runs.checkpoints(tenant_id, run_id)
        attempts = await work.runs.newest_attempts(tenant_id, run_id, STEP)
    imported = results.get(IMPORT_STEP)
    if imported is not None:
        found = await read_result(imported, snapshots)
        assert isinstance(found, steps.Imported)
        return Files(await _of_objects(found.objects, run, results, attempts, snapshots))
    if not any(name.partition(":")[0] == STEP for name in (*results, *attempts)) and not _reads(run):
        return Files(())
    source_ids = run.request.source_ids
    return Files(tuple([await _of(source_id, run, results, attempts, snapshots) for source_id in source_ids]))


def _reads(run: Run) -> bool:
    return run.pipeline_id == "ingest"


async def _of_objects(
    objects: Sequence[steps.ImportedObject],
    run: Run,
    results: Mapping[str, Checkpoint],
    attempts: Mapping[str, StepRecord],
    snapshots: Snapshots,
) -> tuple[RunFile, ...]:
    files: list[RunFile] = []
    for found in objects:
        if found.source_id:
            file = await _of(found.source_id, run, results, attempts, snapshots, found.name)
        else:
            refused = RunFile("", found.name, FileState.FAILED)
            file = replace(refused, error_code=found.error_code, error_message=found.error_message)
        files.append(file)
    return tuple(files)


async def _of(
    source_id: str,
    run: Run,
    results: Mapping[str, Checkpoint],
    attempts: Mapping[str, StepRecord],
    snapshots: Snapshots,
    name: str = "",
) -> RunFile:
    step_id = f"{STEP}:{source_id}"
    checkpoint = results.get(step_id)
    result = None if checkpoint is None else await read_result(checkpoint, snapshots)
    assert result is None or isinstance(result, steps.Ingested)
    return file_of(source_id, result, attempts.get(step_id), has_ended=run.state.is_final, name=name)


async def as_seen(sources: Sources, files: Sequence[RunFile]) -> list[RunFile]:
    """The files as the caller of the call under way may see them, with the names of those that nobody has read yet."""
    ids = list(dict.fromkeys(file.source_id for file in files if file.source_id))
    seen = await sources.many(ids) if ids else {}
    shown: list[RunFile] = []
    for file in files:
        if not file.source_id:
            shown.append(file)
        elif file.source_id not in seen:
            shown.append(file.veiled())
        else:
            shown.append(replace(file, filename=file.filename or seen[file.source_id].source.filename))
    return shown
