"""A confined child: what it may not reach, tried from inside, and that it can still do its work."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from lace_platform.children import ChildLimits, child_environment, run_in_child
from lace_platform.zygote import Zygote

_LIMITS = ChildLimits(wall_s=30.0, cpu_s=20, memory_bytes=512 << 20, output_bytes=1 << 20, is_confined=True)
_MODULE = "confined_functions"
_FUNCTIONS = """
import json, os, socket, subprocess

def locks(argument):
    from lace_platform.confinement import confine
    return json.dumps(sorted(confine(()))).encode()

def attempts(argument, document):
    told = json.loads(argument)
    def connect():
        with socket.create_connection(("127.0.0.1", told["port"])) as made: made.sendall(b"hello")
    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made: made.sendto(b"x", ("127.0.0.1", told["port"]))
    def read(path):
        with open(path) as file: file.read()
    def write():
        with open(told["folder"] + "/written", "w") as file: file.write("x")
    tries = {
        "connect": connect, "send": send, "run": lambda: subprocess.run(["/bin/true"]), "write": write,
        "secret": lambda: read(told["secret"]), "passwd": lambda: read("/etc/passwd"),
        "parent": lambda: read(f"/proc/{os.getppid()}/environ"), "list": lambda: os.listdir("/"),
    }
    done = []
    for name, attempt in tries.items():
        try: attempt()
        except OSError: continue
        done.append(name)
    return json.dumps({"done": done, "document": document.read().decode()}).encode()
"""


@pytest.fixture(autouse=True)
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / f"{_MODULE}.py").write_text(_FUNCTIONS)
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))


@pytest.fixture(params=["a fresh interpreter", "forked"])
def zygote(request: pytest.FixtureRequest, functions: None) -> Iterator[Zygote | None]:
    if request.param != "forked":
        yield None
        return
    opened = Zygote([_MODULE], child_environment())
    yield opened
    opened.close()


async def test_it_reaches_nothing_but_its_document(tmp_path: Path, zygote: Zygote | None) -> None:
    open_child = ChildLimits(_LIMITS.wall_s, _LIMITS.cpu_s, _LIMITS.memory_bytes, _LIMITS.output_bytes)
    if orjson.loads(await run_in_child(f"{_MODULE}:locks", b"", limits=open_child)) != ["calls", "files"]:
        pytest.skip("this kernel has no seccomp or no Landlock")
    secret, document = tmp_path / "secret", tmp_path / "document"
    secret.write_text("secret")
    document.write_text("what it may read")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        told = {"port": listener.getsockname()[1], "secret": str(secret), "folder": str(tmp_path)}
        found = await run_in_child(
            f"{_MODULE}:attempts", orjson.dumps(told), limits=_LIMITS, document=document, zygote=zygote
        )
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert orjson.loads(found) == {"done": [], "document": "what it may read"}
    assert not (tmp_path / "written").exists()


async def test_children_do_not_share_a_document(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(4)]
    for path in paths:
        path.write_text(path.name)
    told = orjson.dumps({"port": 1, "secret": "", "folder": str(tmp_path)})
    found = await asyncio.gather(
        *(run_in_child(f"{_MODULE}:attempts", told, limits=_LIMITS, document=path) for path in paths)
    )
    assert [orjson.loads(one)["document"] for one in found] == [path.name for path in paths]
