"""Progress out of events of either version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lace.common.v1 import event_pb2
from lace_client import Progress, progress_of
from lace_proto.json import from_python

GOLDEN = Path(__file__).parents[2] / "golden" / "events"


def event(version: int, **changes: Any) -> event_pb2.RunEvent:
    """The frozen progress of that version, with members of its payload changed, or left out where they are None."""
    told = json.loads((GOLDEN / f"v{version}" / "pipeline.run.progress.json").read_text())
    [payload] = told["payload"].values()
    payload.update(changes)
    for name in [name for name, value in payload.items() if value is None]:
        del payload[name]
    return from_python(event_pb2.RunEvent, told)


@pytest.mark.parametrize("version", [1, 2])
def test_both_versions_say_the_same(version: int) -> None:
    assert progress_of(event(version)) == Progress(18, 31, "Seasonal performance", 4200)


def test_what_is_unknown_is_unknown_in_both() -> None:
    unknown = Progress(18, 31, "", None)
    assert progress_of(event(1, node_title="", remaining_ms=-1)) == unknown
    assert progress_of(event(2, node=None, remaining_ms=None)) == unknown


def test_other_events_tell_no_progress() -> None:
    assert progress_of(event_pb2.RunEvent(event_type="pipeline.run.started")) is None
