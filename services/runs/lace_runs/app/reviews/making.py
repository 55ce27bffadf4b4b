"""Making review items in the transaction that commits what they were kept out of."""

from __future__ import annotations

from collections.abc import Sequence

from lace_core.reviewing import Withheld
from lace_runs.app.ports import UnitOfWork
from lace_runs.domain.reviews import Origin, item_of


async def keep(work: UnitOfWork, withheld: Sequence[Withheld], origin: Origin, written_anew: Sequence[str]) -> int:
    """Keep what a run could not decide; how many of its items wait. The caller commits.

    Open items that other runs made for the sections `written_anew` are superseded. Doing it again changes nothing.
    """
    await work.reviews.supersede(
        origin.tenant_id, origin.artifact_id, origin.run_id, written_anew, origin.principal_id, origin.at
    )
    await work.reviews.add(origin.tenant_id, [item_of(item, origin) for item in withheld])
    return await work.reviews.count_open(origin.tenant_id, origin.run_id)
