"""One process per data folder; what it says of itself; the token's file."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lace_standalone.folder import AlreadyRunningError, DataFolder, RunningInstance

_HOLDER = """
import sys, time
from pathlib import Path
from lace_standalone.folder import DataFolder
folder = DataFolder(Path(sys.argv[1]))
with folder.held():
    folder.announce("http://127.0.0.1:1")
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data")


def test_a_second_holder_is_told_where_the_first_is(folder: DataFolder) -> None:
    with folder.held():
        folder.announce("http://127.0.0.1:8080")
        with pytest.raises(AlreadyRunningError, match=r"already running on .* at http://127\.0\.0\.1:8080") as caught:
            with DataFolder(folder.path).held():
                pass
        assert caught.value.instance == RunningInstance("http://127.0.0.1:8080", os.getpid())


def test_a_second_holder_during_the_start_of_the_first(folder: DataFolder) -> None:
    with folder.held(), pytest.raises(AlreadyRunningError) as caught, DataFolder(folder.path).held():
        pass
    assert caught.value.instance is None


def test_who_has_ended_is_not_running(folder: DataFolder) -> None:
    assert folder.running() is None
    with folder.held():
        assert folder.running() is None
        folder.announce("http://127.0.0.1:8080")
        assert folder.running() == RunningInstance("http://127.0.0.1:8080", os.getpid())
    assert folder.running() is None
    with folder.held():
        assert folder.running() is None


def test_a_killed_holder_leaves_nothing_to_mend(folder: DataFolder) -> None:
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, str(folder.path)], stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert folder.running() == RunningInstance("http://127.0.0.1:1", holder.pid)
        holder.send_signal(signal.SIGKILL)
    assert (folder.path / "instance.json").exists()
    assert folder.running() is None
    with folder.held():
        assert folder.running() is None


def test_the_token_is_for_its_owner_alone(folder: DataFolder) -> None:
    assert folder.token() is None
    with folder.held():
        folder.keep_token("lace_secret")
    assert folder.token() == "lace_secret"
    assert stat.S_IMODE((folder.path / "token").stat().st_mode) == 0o600
    assert [path.name for path in folder.path.iterdir() if "token." in path.name] == []


def test_a_damaged_announcement_counts_as_none(folder: DataFolder) -> None:
    with folder.held():
        (folder.path / "instance.json").write_text('{"url": 1')
        assert folder.running() is None
