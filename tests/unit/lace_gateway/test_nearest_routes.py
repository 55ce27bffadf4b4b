"""A path that there is not leads to those that were meant, and to none where nothing is like it."""

from __future__ import annotations

import pytest

from lace_gateway.api.nearest_routes import nearest_paths

PATHS = [
    "/v1/runs",
    "/v1/runs/{run_id}",
    "/v1/runs/{run_id}:cancel",
    "/v1/runs/{pipeline_id}",
    "/v1/artifacts",
    "/v1/artifacts/{artifact_id}",
    "/v1/artifacts/{artifact_id}/verdicts",
    "/v1/sources:ingest",
    "/health/ready",
]


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("/v1/run", "/v1/runs"),
        ("/v1/runs/", "/v1/runs"),
        ("/runs", "/v1/runs"),
        ("/v1/artifact/art_01kahx", "/v1/artifacts/{artifact_id}"),
        ("/v1/Artifacts/art_01kahx/verdict", "/v1/artifacts/{artifact_id}/verdicts"),
        ("/v1/runs/run_01kahx:cancle", "/v1/runs/{run_id}:cancel"),
        ("/v1/sources/ingest", "/v1/sources:ingest"),
    ],
)
def test_what_was_meant(asked: str, first: str) -> None:
    assert nearest_paths(asked, PATHS)[0] == first


@pytest.mark.parametrize("asked", ["/", "/favicon.ico", "/v1/nothing", "/v1/" + "a" * 60_000])
def test_nothing_is_made_up(asked: str) -> None:
    assert nearest_paths(asked, PATHS) == []


def test_at_most_three_are_named() -> None:
    assert len(nearest_paths("/v1/artifacts/art_1/verdictss", [f"{PATHS[6]}{n}" for n in range(9)])) == 3
