"""What a suite's checks are told beside the document: how its sources stand, and what a model found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SourceStanding:
    """How a cited source stands. `series` are the names that it goes by beside its id and file name; `newest_*` name
    the newest version that was read, empty where that is the cited one. `is_gone` where it cannot be read any more.
    """

    series: tuple[str, ...] = ()
    newest_source_id: str = ""
    newest_version: int = 0
    is_gone: bool = False


@dataclass(frozen=True)
class Judged:
    """What a model found for one check: verdict pass, fail or undecided; `error` is set where it gave no answer.

    `remarks` are (sentence id, what is wrong) and `judged_by` names provider, model, contract and prompt.
    """

    verdict: str
    reason: str
    remarks: tuple[tuple[str, str], ...] = ()
    judged_by: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Facts:
    """All that is told. `standing` is None where nobody asked how sources stand, `judged` goes by check id.

    `quotes_gone` names evidence whose words the newest version of its source does not hold, or whose unit was read
    otherwise; `accepted` sentences that a person accepted although the checks could not decide.
    """

    standing: Mapping[str, SourceStanding] | None = None
    quotes_gone: frozenset[str] = frozenset()
    accepted: frozenset[str] = frozenset()
    judged: Mapping[str, Judged] = field(default_factory=dict)
    no_judge: str = "No model was asked."
