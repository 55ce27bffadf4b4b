"""A Kafka broker of a test's own, which it may stop, kill and start again; made by the recipe beside the clone."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_SHARED = Path(os.environ.get("LACE_SHARED", _ROOT.parent / "shared"))
_HOME = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
_CACHE = Path(os.environ.get("LACE_CI_CACHE", _HOME / "lace-ci"))


def recipe() -> Path | None:
    """The script that starts a broker; None where it is missing, or has fetched no Kafka yet."""
    script = _SHARED / "recipes" / "kafka" / "kafka.sh"
    return script if script.exists() and (_CACHE / "kafka").is_dir() else None


class KafkaBroker:
    """One broker in `folder`; its data outlive a stop."""

    def __init__(self, script: Path, folder: Path) -> None:
        self._script = script
        self._folder = folder
        port, control_port = _free_port(20_000), _free_port(23_000)
        self.bootstrap = f"127.0.0.1:{port}"
        self._environ = {
            **os.environ,
            "KAFKA_DIST": str(_CACHE / "kafka"),
            "KAFKA_PORT": str(port),
            "KAFKA_CTRL_PORT": str(control_port),
        }

    async def start(self) -> None:
        """Start it, again after a stop too, and wait until it answers."""
        await self._call("start")

    async def stop(self) -> None:
        """Stop it as an operator would."""
        await self._call("stop")

    async def kill(self) -> None:
        """End it as a crash would."""
        await self._call("kill9", "0")

    async def _call(self, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            str(self._script),
            str(self._folder),
            *arguments,
            env=self._environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        # Not communicate: the broker that a start leaves behind keeps the pipe open.
        async with asyncio.timeout(100):
            code = await process.wait()
        assert code == 0, f"kafka.sh {' '.join(arguments)} ended with {code}"


def _free_port(lowest: int) -> int:
    """Below the range that outgoing connections are given: it must be free once more when the broker comes back."""
    while True:
        port = random.randrange(lowest, lowest + 2_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
