"""The worker that compiles in a bounded child process: a document that breaks a renderer breaks nothing else."""

from __future__ import annotations

import asyncio

from lace_compiler.adapters import child
from lace_compiler.app.ports import Result, Work
from lace_compiler.domain.attempt import Origin
from lace_compiler.domain.settings import CompileLimits
from lace_core.errors import LaceError, Reason
from lace_platform.children import ChildFailed, ChildLimits, run_in_child
from lace_platform.telemetry import get_logger

_TARGET = "lace_compiler.adapters.child:run"
_OUTPUT_BYTES = 512 * 1024 * 1024

_MESSAGES = {
    "timeout": "It took longer than compile.timeout_s allows.",
    "memory": "It needed more memory than compile.memory_bytes allows.",
    "output": "The file would be larger than 512 MiB.",
}
_OTHERWISE = "The compiler failed on this revision."

_log = get_logger(__name__)


class ChildWorker:
    """Compiles at most `concurrency` targets at once; others wait their turn."""

    def __init__(self, concurrency: int) -> None:
        self._turns = asyncio.Semaphore(concurrency)

    async def compile(self, work: Work, limits: CompileLimits) -> Result:
        """Runs the child. What the child refused is raised as it was; its death is COMPILE_FAILED."""
        request = _request(work)
        bounds = ChildLimits(float(limits.timeout_s), limits.timeout_s, limits.memory_bytes, _OUTPUT_BYTES)
        async with self._turns:
            try:
                answer = await run_in_child(_TARGET, child.encode_request(request), limits=bounds)
            except ChildFailed as failure:
                _log.warning("compile_child_failed", kind=failure.kind, detail=failure.detail, target=work.target.value)
                raise LaceError(Reason.COMPILE_FAILED, _message(failure)) from failure
        return _result(child.decode_response(answer))


def _message(failure: ChildFailed) -> str:
    # Native code that cannot allocate aborts: to the parent that is a crash, and only the last words tell.
    short_of_memory = failure.kind == "crash" and "memory allocation of" in failure.detail
    return _MESSAGES.get("memory" if short_of_memory else failure.kind, _OTHERWISE)


def _request(work: Work) -> child.Request:
    return child.Request(
        ir=work.ir,
        revision_id=work.revision_id,
        ir_hash=work.ir_hash,
        target=work.target.value,
        page_size=work.settings.page_size.value,
        toc_depth=work.settings.toc_depth,
        quotes=work.settings.quotes,
        appendices=work.settings.appendices,
        verification=work.verification,
    )


def _result(response: child.Response) -> Result:
    origin = Origin(response.source_ids, response.labels)
    return Result(response.data, response.filename, response.warnings, origin)
