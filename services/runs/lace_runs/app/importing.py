"""Asking for what lies in the inbox: what can be wrong before a run is made for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lace_core.errors import LaceError, Reason
from lace_core.inbox import check_prefix
from lace_core.pipeline import IMPORT
from lace_runs.app.ports import Caller
from lace_runs.app.runs import Start
from lace_runs.domain.runs import Request


def import_start(
    caller: Caller, prefix: str, labels: Sequence[str], overrides: Mapping[str, Any], priority: int
) -> Start:
    """The run that takes in the objects whose names begin with the prefix.

    Raises LaceError INBOX_PREFIX_INVALID, PERMISSION_DENIED for labels that the caller does not hold.
    """
    wanted = tuple(sorted(set(labels)))
    if not caller.labels.issuperset(wanted):
        raise LaceError(Reason.PERMISSION_DENIED, "A source can only be given labels that you hold yourself.")
    request = Request(prefix=check_prefix(prefix), labels=wanted)
    return Start(IMPORT.pipeline_id, request, "", overrides, priority)
