"""An order is answered by one recorded attempt, whatever happens to the compilation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from lace_compiler.adapters.memory_units import MemoryUnits
from lace_compiler.app.compile_target import Compiling, compile_target
from lace_compiler.app.ports import Result, Work
from lace_compiler.domain.attempt import Bundle, Cause, Compiled, Order, Origin, Status
from lace_compiler.domain.settings import CompileLimits, settings_of
from lace_compiler.domain.version import COMPILER_VERSION
from lace_core.canonical import sha256_hex
from lace_core.errors import Detail, LaceError, Reason

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ORDER = Order(
    job_id="job_1",
    run_id="run_1",
    tenant_id="ten_1",
    artifact_id="art_1",
    revision_id="rev_1",
    ir_uri="lace-artifacts/ten_1/art_1/rev_1.json",
    ir_sha256="aa",
    ir_hash="bb",
    target="md",
    settings={"compile.toc_depth": 2, "compile.timeout_s": 9},
)
CAUSE = Cause("evt_1", "ten_1", "compile.requested", correlation_id="req_1")


@dataclass
class FolderOfFiles:
    """Files in a dict; snapshots are what `ir` says."""

    ir: bytes | LaceError = b"{}"
    written: dict[str, bytes] = field(default_factory=dict)

    async def read_ir(self, uri: str, sha256: str) -> bytes:
        if isinstance(self.ir, LaceError):
            raise self.ir
        assert (uri, sha256) == (ORDER.ir_uri, "aa")
        return self.ir

    async def write_bundle(self, tenant_id: str, key: str, data: bytes, media_type: str, filename: str) -> Bundle:
        uri = f"lace-compiled/{tenant_id}/{key}"
        if self.written.setdefault(uri, data) != data:
            raise LaceError(Reason.BLOB_CONFLICT, f"Another content is stored under {uri}.")
        return Bundle(uri, sha256_hex(data), len(data), media_type, filename)

    def download_url(self, tenant_id: str, bundle: Bundle) -> str:
        return f"/v1/blobs/{bundle.sha256}"


@dataclass
class Workbench:
    """A worker that answers with what it is told to."""

    answers: list[Result | LaceError]
    seen: list[tuple[Work, CompileLimits]] = field(default_factory=list)

    async def compile(self, work: Work, limits: CompileLimits) -> Result:
        self.seen.append((work, limits))
        answer = self.answers.pop(0)
        if isinstance(answer, LaceError):
            raise answer
        return answer


MADE = Result(b"# Title\n", "title.md", ("FIGURE_AS_TEXT: one",), Origin(("src_1",), ("internal",)))


class Bench:
    def __init__(self, *answers: Result | LaceError) -> None:
        self.units = MemoryUnits()
        self.files = FolderOfFiles()
        self.worker = Workbench(list(answers))
        self.using = Compiling(self.units, self.files, self.worker, lambda: NOW)

    async def listed(self) -> list[Compiled]:
        async with self.units.of_tenant("ten_1") as unit:
            return list(await unit.compiled.newest("ten_1", "art_1", "", 10, None, frozenset(("internal",))))


async def test_an_order_is_compiled_recorded_and_told() -> None:
    bench = Bench(MADE)
    await compile_target(bench.using, CAUSE, ORDER)
    (compiled,) = await bench.listed()
    assert (compiled.status, compiled.attempt, compiled.target) == (Status.SUCCEEDED, 1, "md")
    assert (compiled.compiler_version, compiled.ir_hash) == (COMPILER_VERSION, "bb")
    assert compiled.warnings == MADE.warnings
    assert compiled.settings_hash == settings_of({"compile.toc_depth": 2}).settings_hash
    assert compiled.bundle is not None
    assert compiled.bundle.sha256 == sha256_hex(MADE.data)
    assert bench.files.written == {compiled.bundle.uri: MADE.data}
    (told,) = bench.units.told
    assert (told.compiled, told.order, told.cause, told.origin) == (compiled, ORDER, CAUSE, MADE.origin)


async def test_the_worker_is_given_what_the_settings_say() -> None:
    bench = Bench(MADE)
    await compile_target(bench.using, CAUSE, ORDER)
    ((work, limits),) = bench.worker.seen
    assert (work.ir, work.revision_id, work.ir_hash, work.target) == (b"{}", "rev_1", "bb", "md")
    assert (work.settings.toc_depth, limits.timeout_s) == (2, 9)


async def test_a_second_delivery_changes_nothing_and_compiles_nothing() -> None:
    bench = Bench(MADE)
    await compile_target(bench.using, CAUSE, ORDER)
    await compile_target(bench.using, CAUSE, ORDER)
    assert len(await bench.listed()) == len(bench.units.told) == len(bench.worker.seen) == 1


async def test_a_second_order_for_the_same_is_a_second_attempt_with_the_same_file() -> None:
    bench = Bench(MADE, MADE)
    await compile_target(bench.using, CAUSE, ORDER)
    await compile_target(bench.using, replace(CAUSE, event_id="evt_2"), replace(ORDER, job_id="job_2"))
    assert [compiled.attempt for compiled in await bench.listed()] in ([1, 2], [2, 1])
    assert len(bench.files.written) == 1


async def test_other_bytes_for_the_same_order_are_a_failure_that_names_the_cause() -> None:
    bench = Bench(MADE, replace(MADE, data=b"other"))
    await compile_target(bench.using, CAUSE, ORDER)
    await compile_target(bench.using, replace(CAUSE, event_id="evt_2"), replace(ORDER, job_id="job_2"))
    assert bench.units.told[1].compiled.error_code == "BLOB_CONFLICT"


@pytest.mark.parametrize(
    ("order", "failure", "code"),
    [
        (replace(ORDER, target="epub"), None, "COMPILE_TARGET_UNKNOWN"),
        (replace(ORDER, settings={"compile.page_size": "a0"}), None, "SETTING_INVALID"),
        (ORDER, LaceError(Reason.COMPILE_FAILED, "The compiler failed."), "COMPILE_FAILED"),
        (ORDER, LaceError(Reason.IR_INVALID, "x: y.", details=[Detail("nod_1", "is lost")]), "IR_INVALID"),
    ],
)
async def test_what_cannot_be_compiled_is_a_failed_attempt(order: Order, failure: LaceError | None, code: str) -> None:
    bench = Bench(failure or MADE)
    await compile_target(bench.using, CAUSE, order)
    (compiled,) = await bench.listed()
    assert (compiled.status, compiled.error_code, compiled.bundle) == (Status.FAILED, code, None)
    assert compiled.error_message
    assert bench.units.told[0].compiled == compiled
    assert bench.files.written == {}


async def test_a_snapshot_that_is_gone_is_a_failed_attempt() -> None:
    bench = Bench()
    bench.files.ir = LaceError(Reason.BLOB_NOT_FOUND, "The stored file is missing.")
    await compile_target(bench.using, CAUSE, ORDER)
    assert (await bench.listed())[0].error_code == "BLOB_NOT_FOUND"


async def test_details_of_a_failure_are_in_its_message() -> None:
    bench = Bench(LaceError(Reason.IR_INVALID, "It breaks rules.", details=[Detail("nod_1", "is lost")]))
    await compile_target(bench.using, CAUSE, ORDER)
    assert (await bench.listed())[0].error_message == "It breaks rules. (nod_1: is lost)"


async def test_what_may_pass_by_itself_is_tried_again() -> None:
    down = LaceError(Reason.SERVICE_UNAVAILABLE, "The store cannot be reached.", retryable=True)
    bench = Bench(down, MADE)
    with pytest.raises(LaceError):
        await compile_target(bench.using, CAUSE, ORDER)
    assert await bench.listed() == []
    await compile_target(bench.using, CAUSE, ORDER)
    (compiled,) = await bench.listed()
    assert (compiled.status, compiled.attempt) == (Status.SUCCEEDED, 1)
