"""How statements over words are planned: as they are written, once for each connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lace_platform.db.transaction import Transaction

_AS_WRITTEN = """
    SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off;
    SET LOCAL enable_sort = off; SET LOCAL join_collapse_limit = 1; SET LOCAL jit = off;
    SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL work_mem = '64MB'
"""
_AS_BEFORE = """
    SET LOCAL enable_nestloop TO DEFAULT; SET LOCAL enable_mergejoin TO DEFAULT; SET LOCAL enable_seqscan TO DEFAULT;
    SET LOCAL enable_sort TO DEFAULT; SET LOCAL join_collapse_limit TO DEFAULT; SET LOCAL jit TO DEFAULT;
    SET LOCAL plan_cache_mode TO DEFAULT; SET LOCAL work_mem TO DEFAULT
"""


async def plan_as_written(tx: Transaction) -> None:
    """From here on statements are planned as those on blocks and postings are written, to the end of the transaction.

    Index lookups stand in LATERAL subqueries; all else is joined by hash, in the order in which it is written, the
    smaller part last. With loops over what it believes to be one row, or scans of what was small when it planned, the
    planner would take seconds in place of milliseconds; and planning itself takes as long as a short search. Reading
    rows of one table by their keys is planned no worse. The memory is for questions of many common words, whose rows
    would else go to disk.
    """
    await tx.execute(_AS_WRITTEN)


async def plan_as_before(tx: Transaction) -> None:
    """From here on the planner joins as it sees fit."""
    await tx.execute(_AS_BEFORE)


@asynccontextmanager
async def planned(tx: Transaction) -> AsyncIterator[None]:
    """The former within the block."""
    await plan_as_written(tx)
    yield
    await plan_as_before(tx)  # where the block raised, the transaction is over
