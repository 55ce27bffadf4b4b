"""Kept reports, and the labelled sets that come with LACE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files

from lace_core.errors import Detail, LaceError, Reason
from lace_core.evaluation.citations import CitationReport
from lace_core.evaluation.pairs import Pair, PairSet, decode
from lace_core.evaluation.reports import PairReport

BUILTIN = "lace"
"""The name of the built-in verifier among scorers."""
SETS = ("golden",)
MOST_CHARACTERS = 500_000


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A kept report on a set, on given pairs (then `set_name` is empty), or on a revision of a document."""

    tenant_id: str
    evaluation_id: str
    title: str
    set_name: str
    artifact_id: str
    revision_id: str
    scorer: str
    report: PairReport | CitationReport
    labels: tuple[str, ...]
    created_by: str
    created_at: datetime


@cache
def named_set(name: str) -> PairSet:
    """A set that comes with LACE; raises LaceError EVALUATION_SET_NOT_FOUND."""
    if name not in SETS:
        raise LaceError(Reason.EVALUATION_SET_NOT_FOUND, f"No set {name}; there is {', '.join(SETS)}.")
    return decode((files("lace_runs.domain") / "sets" / f"{name}.json").read_bytes())


def require_bounded(pairs: Sequence[Pair]) -> None:
    """Raises LaceError INVALID_ARGUMENT for more text than is looked at in one request."""
    characters = sum(len(pair.sentence) + sum(len(piece.quote) for piece in pair.evidence) for pair in pairs)
    if characters > MOST_CHARACTERS:
        wrong = f"has {characters} characters; at most {MOST_CHARACTERS} are taken at once, so send it in parts"
        raise LaceError(Reason.INVALID_ARGUMENT, f"/pairs {wrong}.", details=[Detail("/pairs", wrong)])


def require_sound(wrong: Sequence[Detail]) -> None:
    """Raises LaceError INVALID_ARGUMENT where anything is wrong."""
    if wrong:
        message = f"{wrong[0].field} {wrong[0].description}."
        raise LaceError(Reason.INVALID_ARGUMENT, message, details=list(wrong))
