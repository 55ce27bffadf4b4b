"""The child process: the same bytes in every process, and limits that a document cannot outgrow."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pypdf
import pytest

from lace_compiler.adapters.child import Request, compile_one
from lace_compiler.adapters.child_worker import ChildWorker
from lace_compiler.app.ports import Work
from lace_compiler.domain.settings import CompileLimits, CompileSettings, limits_of
from lace_compiler.domain.target import Target
from lace_core import ir
from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_core.merkle import ir_hash

Long = Callable[[int], ir.Artifact]

GOLDEN = Path(__file__).parents[2] / "golden" / "compiler"
LIMITS = CompileLimits(timeout_s=60, memory_bytes=2 * 2**30)
_MEBIBYTE = 2**20


def work(name: str, target: Target) -> Work:
    return Work((GOLDEN / f"{name}.json").read_bytes(), "rev_golden", "", target, CompileSettings())


@pytest.mark.parametrize("target", Target)
async def test_two_fresh_processes_and_this_one_give_the_same_bytes(target: Target) -> None:
    worker = ChildWorker(2)
    first, second = await asyncio.gather(*(worker.compile(work("kiln", target), LIMITS) for _ in range(2)))
    request = Request(
        ir=work("kiln", target).ir,
        revision_id="rev_golden",
        ir_hash="",
        target=target.value,
        page_size="a4",
        toc_depth=3,
        quotes=True,
    )
    here = compile_one(request).data
    assert sha256_hex(first.data) == sha256_hex(second.data) == sha256_hex(here)
    assert first == second


async def test_the_result_says_where_it_comes_from() -> None:
    made = await ChildWorker(1).compile(work("kiln", Target.MD), LIMITS)
    assert made.filename == "the-upper-kiln-at-aldra-state-and-use.md"
    assert made.origin.labels == ("internal",)
    assert made.origin.source_ids == ("src_ledger", "src_survey", "src_clay", "src_letters")
    assert [warning.partition(":")[0] for warning in made.warnings] == [
        "BLOCK_KIND_UNKNOWN",
        "CONTROL_CHARACTERS",
        "FIGURE_AS_TEXT",
    ]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (CompileLimits(timeout_s=60, memory_bytes=160 * _MEBIBYTE), "compile.memory_bytes"),
        (CompileLimits(timeout_s=1, memory_bytes=2 * 2**30), "compile.timeout_s"),
    ],
)
async def test_a_document_cannot_outgrow_its_limits(long_document: Long, limits: CompileLimits, message: str) -> None:
    large = replace(work("kiln", Target.PDF), ir=ir.encode(long_document(120)))
    with pytest.raises(LaceError, match=message) as caught:
        await ChildWorker(1).compile(large, limits)
    assert caught.value.reason is Reason.COMPILE_FAILED


async def test_a_snapshot_that_is_not_the_revision_is_refused() -> None:
    order = replace(work("kiln", Target.MD), ir_hash=ir_hash(ir.decode(work("empty", Target.MD).ir)))
    with pytest.raises(LaceError) as caught:
        await ChildWorker(1).compile(order, LIMITS)
    assert caught.value.reason is Reason.BLOB_CORRUPT


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"artifact_id": 1}', b"\xff\xfe"])
async def test_what_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(LaceError) as caught:
        await ChildWorker(1).compile(replace(work("kiln", Target.OWL), ir=data), LIMITS)
    assert caught.value.reason is Reason.IR_INVALID


@pytest.mark.slow
async def test_a_hundred_pages_are_compiled_within_the_default_limits(long_document: Long) -> None:
    artifact = long_document(66)
    order = replace(work("kiln", Target.PDF), ir=ir.encode(artifact), ir_hash=ir_hash(artifact))
    made = await ChildWorker(1).compile(order, limits_of({}))
    assert len(pypdf.PdfReader(io.BytesIO(made.data)).pages) >= 100
