"""The programs of the model gateway's benchmark: the double, the hops, LACE's two processes, and LiteLLM's proxy."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.bench.llm_double import MODEL
from tests.bench.processes import LACE, ROOT, started
from tests.bench.server import Places

_REQUIREMENTS = Path(__file__).with_name("requirements-litellm.txt")
_ENVIRONMENTS = ROOT / "out" / "bench"
_START_S = 180
# LiteLLM does not start without one.
LITELLM_KEY = "sk-of-the-benchmark"
_POLL_S = 0.02
_PROXY = """\
model_list:
  - model_name: {model}
    litellm_params: {{model: openai/{model}, api_base: "{url}", api_key: sk-of-the-benchmark}}
litellm_settings: {{telemetry: false}}
"""


@dataclass(frozen=True)
class Program:
    """One that runs: where it listens, its process, and the seconds that its start took."""

    port: int
    pid: int
    start_s: float


@contextmanager
def python_program(module: str, *arguments: str) -> Iterator[Program]:
    """A module of the benchmark that prints its port."""
    began = time.perf_counter()
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            yield Program(port, process.pid, time.perf_counter() - began)
        finally:
            process.terminate()


@contextmanager
def lace_service(name: str, places: Places, home: Path, folder: Path, settings: Mapping[str, str]) -> Iterator[Program]:
    """A service in a process of its own, on the database of the installation whose secrets are in `home`."""
    folder.mkdir(parents=True)
    shutil.copy(home / "data" / "secrets.json", folder)
    given = ",".join(f"{service}={address}" for service, address in places.addresses.items())
    port = int(places.addresses[name].rpartition(":")[2]) if name in places.addresses else _free_port()
    own = {"LACE_DSN": places.dsn, "LACE_ADDRESSES": given, "LACE_GATEWAY_PORT": str(port), **settings}
    began = time.perf_counter()
    with started([LACE, "serve", name], folder, **own) as process:
        _until(lambda: _listens(port), process)
        yield Program(port, process.pid, time.perf_counter() - began)


@contextmanager
def litellm_proxy(folder: Path, url: str) -> Iterator[Program]:
    """LiteLLM's proxy with one worker, in an environment that holds what the pinned file says."""
    command = _litellm()
    folder.mkdir(parents=True)
    settings = folder / "litellm.yaml"
    settings.write_text(_PROXY.format(model=MODEL, url=url))
    port = _free_port()
    began = time.perf_counter()
    arguments = ["--config", str(settings), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    environ = {
        "PATH": str(command.parent),
        "HOME": str(folder),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # the one that came with it, not one that is fetched
        "LITELLM_MASTER_KEY": LITELLM_KEY,
    }
    with subprocess.Popen(
        [command, *arguments], env=environ, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _until(lambda: _answers(f"http://127.0.0.1:{port}/health/liveliness"), process)
            yield Program(port, process.pid, time.perf_counter() - began)
        finally:
            process.kill()


def _litellm() -> Path:
    folder = _ENVIRONMENTS / f"litellm-{sha256(_REQUIREMENTS.read_bytes()).hexdigest()[:12]}"
    if not (folder / "ready").exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        install: list[str | Path] = [uv, "pip", "install", "--quiet", "--require-hashes", "--compile-bytecode"]
        python = folder / "bin" / "python"
        subprocess.run([*install, "--python", python, "--requirements", _REQUIREMENTS], check=True)
        (folder / "ready").touch()
    return folder / "bin" / "litellm"


def _until(is_ready: Callable[[], bool], process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + _START_S
    while not is_ready():
        if process.poll() is not None or time.monotonic() > ends:
            said = process.stdout.read() if process.stdout is not None and process.poll() is not None else ""
            raise RuntimeError(f"{process.args!r} did not start: {said!r}")
        time.sleep(_POLL_S)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
