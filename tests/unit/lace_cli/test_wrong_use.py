"""Wrong use is told in the form of every failure, with what was meant; help has an order; the version is one."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from lace_cli.failures import WRONG_USE
from lace_cli.files import writable_folder
from lace_cli.main import app
from lace_cli.panels import _PANELS
from lace_cli.tables import columns_of, stacked, tabulated
from lace_core.version import VERSION
from tests.doubles.scripted_api import ScriptedApi
from tests.unit.lace_cli.conftest import Lace


@pytest.mark.parametrize(
    ("arguments", "first", "says"),
    [
        (["patch"], "lace: Missing argument 'ARTIFACT'. [WRONG_USE]", "as `lace documents` shows it"),
        (["watch"], "lace: Missing argument 'RUN'. [WRONG_USE]", "as `lace runs` shows it"),
        (["test", "--nosuch"], "lace: No such option: --nosuch", "lace test --help"),
        (["policy", "chek"], "lace: No such command 'chek'. Did you mean 'check'", "lace policy --help"),
        (["generate"], "lace: Missing option '--title' / '-t'. [WRONG_USE]", "Usage: lace generate"),
    ],
)
def test_what_is_wrong_and_where_to_find_it(lace: Lace, arguments: list[str], first: str, says: str) -> None:
    told = lace(*arguments)
    assert told.code == WRONG_USE
    assert told.err.splitlines()[0].startswith(first)
    assert says in told.err
    assert not told.out


def test_words_of_other_programs_lead_to_ours(lace: Lace) -> None:
    assert "Look at: lace documents, lace sources or lace runs." in lace("list").err
    assert "Did you mean 'runs'?" in lace("runz").err


def test_programs_are_told_in_json(lace: Lace) -> None:
    told = json.loads(lace("patch", "--json").err)
    assert told["error_code"] == "WRONG_USE"
    assert told["advice"].splitlines()[0] == "ARTIFACT: Its id, as `lace documents` shows it."


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version(lace: Lace, option: str) -> None:
    assert lace(option) == type(lace(option))(0, f"lace {VERSION}\n", "")


def test_every_command_has_one_place_in_the_help(lace: Lace) -> None:
    named = [name for names in _PANELS.values() for name in names]
    there = [one.name for one in app.registered_commands] + [one.name for one in app.registered_groups]
    assert sorted(named) == sorted(filter(None, there))
    told = lace("--help").out
    assert [told.index(f"─ {panel} ─") for panel in _PANELS] == sorted(told.index(f"─ {panel} ─") for panel in _PANELS)


def test_documents_are_listed(lace: Lace, api: ScriptedApi) -> None:
    one = {"artifact_id": "art_1", "title": "What it cost", "updated_at": "2026-11-02T09:30:00Z"}
    api.on("GET", "/v1/artifacts", {"artifacts": [one]})
    assert lace("documents").out == "art_1\t2026-11-02 09:30\tWhat it cost\n"
    assert json.loads(lace("documents", "--json").out)[0]["artifact_id"] == "art_1"


@pytest.mark.parametrize(
    "command", [["generate", "-t", "Costs"], ["compile", "art_1"], ["demo"], ["patch", "a", "-i", "b"]]
)
def test_a_folder_that_takes_no_files_is_told_before_anything_is_done(
    lace: Lace, api: ScriptedApi, command: list[str]
) -> None:
    Path("taken").write_text("a file")
    for out in ("taken", "taken/below"):
        told = lace(*command, "--out", out)
        assert told.code == WRONG_USE
        assert told.err.splitlines()[0].endswith("taken is a file. [OUT_NOT_WRITABLE]")
    assert not api.asked


def test_a_folder_that_is_not_there_yet_will_be_made(tmp_path: Path) -> None:
    assert writable_folder(tmp_path / "new" / "out") == tmp_path / "new" / "out"
    assert not (tmp_path / "new").exists()


HEADINGS = ("run", "state", "artifact", "document")
ROWS = [["run_" + 26 * "a", "succeeded", "art_" + 26 * "b", "What was built, what it cost and how it performs now"]]


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_ids_are_never_broken_by_a_narrow_terminal(width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    columns = columns_of(HEADINGS, ROWS)
    console.print(tabulated(columns, ROWS) if columns.fit(width) else stacked(HEADINGS, ROWS, width))
    assert isinstance(console.file, io.StringIO)
    told = console.file.getvalue()
    assert all(len(line) <= width for line in told.splitlines())
    assert ROWS[0][0] in told
    assert ROWS[0][2] in told
    assert " ".join(told.split()).endswith("performs now")
    assert columns.fit(width) == (width >= 100)
