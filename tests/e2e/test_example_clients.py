"""The example clients do what they say, as programs of their own against a running installation."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import httpx
import pytest

from tests.e2e.conftest import RunningInstallation

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "examples" / "clients"
PROGRAMS = ("generate_with_rest.py", "generate_with_client.py")
SOURCES = ("01-programme-brief.md", "09-commissioning-and-tests.md")
BEGINNINGS = {".md": b"", ".docx": b"PK", ".pdf": b"%PDF-", ".ttl": b""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two documents, and a file of a format that is passed over."""
    folder = tmp_path / "documents"
    folder.mkdir()
    for name in SOURCES:
        shutil.copy(ROOT / "examples" / "dossier" / name, folder)
    (folder / "picture.png").write_bytes(b"\x89PNG")
    return folder


async def called(program: str, *arguments: str, token: str, url: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr; the services answer on this very loop meanwhile."""
    environ = {**os.environ, "LACE_URL": url, "LACE_TOKEN": token, "PYTHONWARNINGS": "error"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(CLIENTS / program),
        *arguments,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 90)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize(
    "program", [PROGRAMS[0], *(pytest.param(program, marks=pytest.mark.slow) for program in PROGRAMS[1:])]
)
async def test_it_writes_the_four_files(
    installation: RunningInstallation, folder: Path, tmp_path: Path, program: str
) -> None:
    out = tmp_path / "out"
    arguments = (str(folder), "How the works were tested", str(out))
    code, printed, complaints = await called(program, *arguments, token=installation.token, url=installation.url)
    assert code == 0, complaints
    assert "Warning" not in complaints
    files = {path.suffix: path.read_bytes() for path in out.iterdir()}
    assert set(files) == set(BEGINNINGS)
    assert all(len(data) > 1000 and data.startswith(BEGINNINGS[suffix]) for suffix, data in files.items())
    assert b"How the works were tested" in files[".md"]
    assert "pipeline.step.completed  validate" in printed
    assert printed.count("pipeline.run.completed") == 2


@pytest.mark.slow
async def test_it_writes_a_paragraph_out_of_chosen_facts(installation: RunningInstallation, folder: Path) -> None:
    arguments = (str(folder / SOURCES[0]), "budget")
    code, printed, complaints = await called(
        "write_a_paragraph.py", *arguments, token=installation.token, url=installation.url
    )
    assert code == 0, complaints
    assert "budget" in printed
    assert "    fct_" in printed
    assert printed.endswith("made again, it is the same: True\n")


@pytest.mark.slow
async def test_openais_client_asks_a_model(installation: RunningInstallation) -> None:
    program, question = "ask_with_openai.py", "Is it open? The bridge is open since May."
    code, printed, complaints = await called(program, question, token=installation.token, url=installation.url)
    assert code == 0, complaints
    assert "extractive-1: " in printed
    arguments = (question, "extractive/gpt-9")
    code, printed, complaints = await called(program, *arguments, token=installation.token, url=installation.url)
    assert (code, printed) == (1, "")
    assert complaints.startswith("model_not_found: ")


def module(program: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(program).stem, CLIENTS / program)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


class Torn(httpx.SyncByteStream):
    """A stream of the given events that breaks off behind the last."""

    def __init__(self, *numbers: int) -> None:
        self._numbers = numbers

    def __iter__(self) -> Iterator[bytes]:
        for number in self._numbers:
            yield f'id: evt_{number}\ndata: {{"event_id": "evt_{number}"}}\n\n: heartbeat\n\n'.encode()
        raise httpx.ReadError("the connection was lost")


def test_a_stream_that_breaks_off_is_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([Torn(1, 2), Torn(), Torn(3), None])
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["last-event-id"])
        stream = next(answers)
        return httpx.Response(200, stream=stream) if stream else httpx.Response(204)

    rest = module("generate_with_rest.py")
    pauses: list[float] = []
    monkeypatch.setattr(rest, "time", SimpleNamespace(sleep=pauses.append))
    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://lace") as api:
        found = [event["event_id"] for event in rest.events(api, "run_1")]
    assert found == ["evt_1", "evt_2", "evt_3"]
    assert asked == ["", "evt_2", "evt_2", "evt_3"]
    assert pauses == [1, 1, 1]


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_refusal_is_told_in_a_line(
    installation: RunningInstallation, folder: Path, tmp_path: Path, program: str
) -> None:
    arguments = (str(folder), "A title", str(tmp_path / "out"))
    code, printed, complaints = await called(program, *arguments, token="lace_wrong", url=installation.url)
    assert (code, printed) == (1, "")
    assert complaints.startswith("TOKEN_INVALID: ")
    assert "Traceback" not in complaints
