"""Every pipeline on the recorded outputs of models: nobody is asked, and the strictness is the same.

Where a prompt has changed on purpose the recordings are made again: `make record`, see docs/llm-gateway.md.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from lace.runs.v1 import evaluations_pb2, runs_pb2
from lace_client import LaceClient
from tests.recording.__main__ import ABOUT, RECORDINGS
from tests.recording.scenario import PIPELINES, Place, installation, play

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@dataclass(frozen=True)
class Played:
    """The runs by pipeline, what was found of their sentences, and how well its citations carry it."""

    runs: Mapping[str, runs_pb2.Run]
    verdicts: list[dict[str, Any]]
    citations: evaluations_pb2.CitationReport


@pytest.fixture(scope="module", params=sorted(path.name for path in RECORDINGS.iterdir() if path.is_dir()))
async def played(request: pytest.FixtureRequest, scratch: Path) -> AsyncIterator[Played]:
    """The scenario on the recordings of one model, without anyone to ask beside them."""
    folder = RECORDINGS / str(request.param)
    model = json.loads((folder / ABOUT).read_text())["model"]
    data_dir = scratch / f"recorded-{request.param}"
    async with installation(data_dir, model, {"LACE_REPLAY_FOLDER": str(folder)}) as place:
        yield await asyncio.to_thread(_play, place, data_dir / "sources")


def _play(place: Place, sources: Path) -> Played:
    runs = play(place, sources)
    artifact_id = runs["generate"].artifact_id
    with LaceClient(place.url, place.token) as client:
        report = client.evaluations.of_document(artifact_id).citation_report
    path, headers = f"/v1/artifacts/{artifact_id}/verdicts", {"authorization": f"Bearer {place.token}"}
    answer = httpx.get(f"{place.url}{path}", params={"page_size": 1000}, headers=headers, timeout=30)
    return Played(runs, answer.json()["verdicts"], report)


def test_every_pipeline_comes_to_its_end(played: Played) -> None:
    assert tuple(played.runs) == PIPELINES
    assert {run.state for run in played.runs.values()} == {runs_pb2.RUN_STATE_SUCCEEDED}


def test_what_is_displayed_is_carried_by_its_citations(played: Played) -> None:
    whole = played.citations.whole
    assert whole.pieces > 0
    assert (whole.uncited, whole.recall.count) == (0, whole.pieces)


def test_nothing_is_displayed_that_was_not_found_supported(played: Played) -> None:
    standing = [verdict for verdict in played.verdicts if verdict["in_document"]]
    assert standing
    assert {verdict["verdict"] for verdict in standing} == {"supported"}


def test_every_folder_says_whose_outputs_it_holds() -> None:
    for folder in (path for path in RECORDINGS.iterdir() if path.is_dir()):
        about = json.loads((folder / ABOUT).read_text())
        assert about["note"]
        assert about["is_real_model"] is not folder.name.startswith("stand-in"), folder
