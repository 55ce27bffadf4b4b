"""Reads documents in child processes, a bounded number at once, and says in codes what came of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.reading import extraction_child
from lace_ingest.domain.documents import ExtractedDocument
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.sources import Source
from lace_platform.children import ChildFailed, ChildLimits, run_in_child
from lace_platform.telemetry import get_logger
from lace_platform.zygote import Zygote

_TARGET = f"{extraction_child.__name__}:{extraction_child.run.__name__}"
_LITTLE_BYTES = 64 * 1024  # is decoded in less time than another thread takes to begin
_log = get_logger()


class ChildReader:
    """See app.ports.Reader."""

    def __init__(self, concurrency: int, zygote: Zygote | None = None) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._zygote = zygote

    def extraction(self, source_format: SourceFormat, limits: ExtractionLimits) -> str:
        """The name of the extraction that `read` would make."""
        return extraction_child.name_of(source_format, limits)

    async def read(self, source: Source, raw: Path, limits: ExtractionLimits) -> ExtractedDocument:
        """What the document says; a child that dies is an outcome too. Raises SOURCE_*."""
        order = extraction_child.encode(extraction_child.Order(source.filename, source.format, limits, source.owner))
        bounds = ChildLimits(limits.wall_s, limits.cpu_s, limits.memory_bytes, limits.output_bytes, is_confined=True)
        async with self._slots:
            try:
                answer = await run_in_child(_TARGET, order, limits=bounds, document=raw, zygote=self._zygote)
                if len(answer) <= _LITTLE_BYTES:
                    return extraction_child.decode(answer)
                return await asyncio.to_thread(extraction_child.decode, answer)
            except ChildFailed as failure:
                _log.warning("extraction_failed", source=source.source_id, kind=failure.kind, detail=failure.detail)
                raise _refusal(source, limits, failure) from None


def _refusal(source: Source, limits: ExtractionLimits, failure: ChildFailed) -> LaceError:
    name = source.filename
    beyond = {
        "timeout": f"{name} takes longer to read than {limits.wall_s:g} s, or {limits.cpu_s} s of CPU.",
        "memory": f"{name} needs more memory to read than {limits.memory_bytes >> 20} MiB.",
        "output": f"{name} holds more text than can be taken in.",
    }
    if failure.kind in beyond:
        return LaceError(Reason.SOURCE_LIMIT_EXCEEDED, beyond[failure.kind])
    return LaceError(Reason.SOURCE_UNREADABLE, f"{name} is damaged: its reader broke off.")
