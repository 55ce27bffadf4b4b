"""Runs over a bundle: its sources are found once, at the start, and the run says from which version they came."""

from __future__ import annotations

from typing import Any, cast

import pytest

from lace.runs.v1 import runs_pb2
from lace_core.errors import LaceError, Reason
from lace_core.labels import held_by
from lace_core.pipeline import PIPELINES
from lace_platform.clock import utc_now
from lace_runs.api import convert_runs as convert
from lace_runs.app.ports import Caller, Resolved
from lace_runs.app.provenance import segment
from lace_runs.app.runs import Start, new_run
from lace_runs.app.settling import settle
from lace_runs.domain.runs import Run
from tests.doubles.runs_world import MemorySources

CALLER = Caller("ten_1", "prn_1", frozenset(), frozenset(), held_by("prn_1", ["x"]), "req", "cor", "key", "")


def sources() -> MemorySources:
    found = MemorySources()
    found.bundles["budget"] = [("src_a",), ("src_a", "src_b"), ()]
    return found


async def settled(**asked: Any) -> Start:
    start = convert.start_of(runs_pb2.StartRunRequest(pipeline_id="generate", title="T", **asked))
    nothing = cast(Any, None)  # a start that names a pipeline that ships looks at no artifact
    return (await settle(nothing, sources(), nothing, CALLER, start))[0]


def run_of(start: Start) -> Run:
    return new_run(CALLER, start, "art_1", PIPELINES["generate"], Resolved({}, "h", ""), utc_now())


async def test_a_run_is_held_to_the_version_that_it_found() -> None:
    request = (await settled(bundle="budget", bundle_version=2)).request
    assert (request.bundle_id, request.bundle_version) == ("bnd_budget", 2)
    assert (request.source_ids, request.bundle_hash) == (("src_a", "src_b"), "b" * 64)
    shown = convert.run_message(run_of(await settled(bundle="budget", bundle_version=1)))
    assert (shown.bundle_id, shown.bundle_version, list(shown.source_ids)) == ("bnd_budget", 1, ["src_a"])


async def test_provenance_names_the_version() -> None:
    run = run_of(await settled(bundle="budget", bundle_version=2))
    [entity] = segment(run, [], "").payload["common"]["inputs"]
    assert entity == {
        "entity_id": "bnd_budget", "content_hash": "b" * 64, "uri": "ingest://bundles/bnd_budget/versions/2",
        "kind": "bundle",
    }  # fmt: skip
    assert "inputs" not in segment(run_of(await settled()), [], "").payload["common"]


async def test_what_the_run_may_read_of_its_principals_own_is_no_label_of_the_run() -> None:
    assert run_of(await settled()).labels == ("x",)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"bundle": "other"}, Reason.BUNDLE_NOT_FOUND),
        ({"bundle": "budget"}, Reason.BUNDLE_EMPTY),
        ({"bundle": "budget", "source_ids": ["src_a"]}, Reason.INVALID_ARGUMENT),
        ({"bundle_version": 2}, Reason.INVALID_ARGUMENT),
    ],
)
async def test_what_cannot_be_is_refused(asked: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(LaceError) as refused:
        await settled(**asked)
    assert refused.value.reason is reason
