"""The command line on a running installation: each verb for real, on a small document."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Lace

PAGE = """# Pumping station

## Pumps

The station has four pumps. Each pump delivers 75 litres a second at a head of 62 metres. Three pumps run on a dry day.

## Power

The station has two feeders of 11 kilovolts. A generator of 400 kilowatts starts within 12 seconds of a power cut.

## Cost

The station cost £6.39 million. The pumps cost £1.12 million of this. The power supply cost £0.84 million.
"""


@pytest.fixture
async def source_id(lace: Lace) -> str:
    """The id of the page, read."""
    Path("station.md").write_text(PAGE)
    [source] = json.loads(await lace("ingest", "station.md", "--json"))["sources"]
    assert (source["state"], source["filename"]) == ("ready", "station.md")
    return str(source["source_id"])


async def test_from_a_plan_to_files_and_once_more(lace: Lace, source_id: str) -> None:
    planned = json.loads(await lace("outline", "-t", "Pumping station", "--source", source_id, "--json"))
    assert len(planned["nodes"]) > 1
    title = planned["nodes"][0]["title"]
    written = json.loads(
        await lace("generate", "-t", title, "--artifact", planned["artifact_id"], "--source", source_id, "--json")
    )
    assert written["result"]["artifact_id"] == planned["artifact_id"]
    assert written["result"]["cited_sentences"] == written["result"]["sentences"] > 0
    assert {Path(name).suffix for name in written["files"]} == {".md", ".docx", ".pdf", ".ttl"}
    again = await lace("compile", planned["artifact_id"], "--target", "md", "-o", "again")
    [saved] = Path("again").iterdir()
    assert str(saved) in again
    assert saved.read_text() == next(Path("out").glob("*.md")).read_text()


async def test_a_finished_run_can_be_watched_and_restarted(lace: Lace, source_id: str) -> None:
    done = json.loads(await lace("generate", "-t", "Power", "--source", source_id, "--target", "md", "--json"))
    watched = await lace("watch", done["run_id"])
    assert watched.splitlines()[-1].endswith("succeeded")
    restarted = json.loads(await lace("restart", done["run_id"], "--reason", "once more", "--json"))
    assert restarted["run_id"] != done["run_id"]
    await lace("watch", restarted["run_id"])
    listed = [line.split("\t") for line in (await lace("runs")).splitlines()]
    states = {row[0]: row[2] for row in listed}
    assert states[done["run_id"]] == states[restarted["run_id"]] == "succeeded"


async def state_of(lace: Lace, run_id: str, *wanted: str) -> str:
    """The run's state as soon as it is one of these."""
    async with asyncio.timeout(30):
        while True:
            runs = json.loads(await lace("runs", "--json"))
            state = next(str(each["state"]) for each in runs if each["run_id"] == run_id)
            if state in wanted:
                return state


async def test_settings_and_tokens(lace: Lace) -> None:
    try:
        await lace("settings", "set", "runs.target_words", "1234")
        assert (await lace("settings", "get", "runs.target_words")).split("\t")[1:] == ["1234", "system\n"]
    finally:
        await lace("settings", "unset", "runs.target_words")
    assert (await lace("settings", "get", "runs.target_words")).endswith("\tdefault\n")
    made = json.loads(await lace("token", "create", "for a test", "--scope", "runs:read", "--json"))
    assert made["token"]["token_id"] in await lace("token", "list")
    await lace("token", "revoke", made["token"]["token_id"])
    assert (await lace("health")) == "serving\n"


async def test_what_was_read_out_of_a_source_can_be_seen(lace: Lace) -> None:
    said = "The pumps were measured in a dry week, and once more in a wet one, by the same people.[^1]"
    table = "| Pump | Flow (l/s) |\n|---|---|\n| A | 12 |\n| B | 15 |\n"
    Path("pumps.md").write_text(
        f"---\nauthor: Ann Other\n---\n# Pumps\n\n## Flows\n\n{said}\n\n{table}\n[^1]: In May.\n"
    )
    [source] = json.loads(await lace("ingest", "pumps.md", "--json"))["sources"]
    shown = await lace("sources", "show", source["source_id"])
    assert "author         Ann Other" in shown
    assert "language       en" in shown
    assert "read           100 % of its content" in shown
    assert "Flows\t" in shown
    told = await lace("sources", "units", source["source_id"])
    assert "== Flows" in told
    assert "  Pump A. Flow (l/s): 12" in told
    assert "In May.\n  (note 1, of unt_" in told
    units = json.loads(await lace("sources", "units", source["source_id"], "--json"))
    assert [unit["kind"] for unit in units] == ["paragraph", "footnote", "table"]
    assert units[1]["referred_from"] == [units[0]["unit_id"]]
