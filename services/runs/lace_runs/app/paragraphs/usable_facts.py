"""Which facts can still be used, and why the others cannot."""

from __future__ import annotations

from lace_core.errors import LaceError, Reason
from lace_core.paragraphs.facts import StatedFact, is_intact


def out_of_use(fact_id: str, stated: StatedFact | None) -> LaceError | None:
    """Why a fact cannot be used; None for one that can."""
    if stated is None:
        return LaceError(Reason.FACT_NOT_FOUND, f"There is no fact {fact_id} that you may see.")
    if stated.state == "retired":
        return LaceError(Reason.FACT_RETIRED, f"{fact_id} was retired.")
    if not is_intact(stated):
        return LaceError(Reason.FACT_QUOTE_MISMATCH, f"The quote of {fact_id} does not stand in its unit.")
    return None
