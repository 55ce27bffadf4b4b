"""Comparing in a child process: the same answers as at once, and an end to what takes too long."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.diffs import child_differ, diff_child
from lace_ingest.adapters.diffs.child_differ import ChildDiffer
from lace_ingest.adapters.diffs.diff_child import Order, What, compare
from lace_ingest.domain.diffs.impact import Quoted
from lace_ingest.domain.documents import Unit
from lace_platform.children import ChildFailed
from tests.doubles.versions import edited, report, tabled, unit

_CALLS_OUT = """
import socket

def run(argument):
    socket.socket().close()
    return b"{}"
"""
TEXTS = report(400, seed=1, words=30)


def _units(texts: list[str], side: str) -> list[Unit]:
    rows = [("2019", "10"), ("2020", "12" if side == "a" else "13")]
    table = tabled(("year", "cost"), rows, 0, "Cost", side=side)
    return [table, *(unit(text, place + 1, f"Section {place // 20}", side=side) for place, text in enumerate(texts))]


async def test_a_child_gives_the_same_answers_as_this_process() -> None:
    before, after = _units(TEXTS, "a"), _units(edited(TEXTS, seed=2), "b")
    assert await ChildDiffer(30, 1).units(before, after) == compare(Order(What.UNITS, before, after)).changes


async def test_what_takes_too_long_is_refused_with_a_code() -> None:
    before, after = _units(report(1500, seed=1), "a"), _units(report(1500, seed=2), "b")
    with pytest.raises(LaceError) as refused:
        await ChildDiffer(0.3, 1).documents(before, after, ("", ""), 0)
    assert refused.value.reason is Reason.DIFF_LIMIT_EXCEEDED
    assert "longer to compare than 0.3 s" in refused.value.message


@pytest.mark.skipif(sys.platform != "linux", reason="the locks are Linux'")
async def test_a_child_is_confined_as_those_that_read_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "calls_out.py").write_text(_CALLS_OUT)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(child_differ, "_TARGET", "calls_out:run")
    with pytest.raises(ChildFailed, match="PermissionError"):
        await ChildDiffer(30, 1).units(_units(TEXTS, "a"), _units(edited(TEXTS, seed=2), "b"))


@pytest.mark.parametrize("what", What)
def test_orders_and_answers_travel_whole(what: What) -> None:
    before = _units(TEXTS[:6], "a")
    after = _units(edited(TEXTS[1:7], seed=3, share=0.9), "b")
    order = Order(what, before, after, 1, ("Old", "New"), [Quoted(one.unit_id, 0, one.text) for one in before])
    answer, expected = diff_child.decode(diff_child.run(diff_child.pack(order))), compare(order)
    for part in ("passages", "changes", "places"):
        assert list(getattr(answer, part)) == list(getattr(expected, part))
