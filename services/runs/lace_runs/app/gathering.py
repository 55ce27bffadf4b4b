"""Work of one run side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from lace_runs.app.execution import Paused


async def gather(work: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """All results in order. A pause lets what is under way finish; a failure stops the others at once."""
    tasks = [asyncio.ensure_future(item) for item in work]
    if not tasks:
        return []
    try:
        pending = set(tasks)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_EXCEPTION)
            failed = [t for t in done if not t.cancelled() and t.exception() and not isinstance(t.exception(), Paused)]
            if failed:
                raise failed[0].exception() or AssertionError
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [task.result() for task in tasks]
