"""The data folder of an installation: who runs on it now, and the token of its first tenant."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

_LOCK = "lock"
_INSTANCE = "instance.json"
_TOKEN = "token"


@dataclass(frozen=True)
class RunningInstance:
    """What others need to know of the process that runs on a folder."""

    url: str
    pid: int


class AlreadyRunningError(Exception):
    """Another process runs on the folder; `instance` is what it says of itself, None while it still starts."""

    def __init__(self, folder: Path, instance: RunningInstance | None) -> None:
        where = f" at {instance.url} (process {instance.pid})" if instance else ""
        super().__init__(f"LACE is already running on {folder}{where}.")
        self.instance = instance


class DataFolder:
    """The folder and the files in it that are about the installation as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps other processes off the folder. The system lets go of a dead owner's hold, so none has to be mended.

        Raises AlreadyRunningError.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / _LOCK).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise AlreadyRunningError(self.path, self._instance()) from None
            (self.path / _INSTANCE).unlink(missing_ok=True)  # a killed owner's
            try:
                yield
            finally:
                (self.path / _INSTANCE).unlink(missing_ok=True)

    def announce(self, url: str) -> None:
        """Tells other commands where the API is; within `held`."""
        _write(self.path / _INSTANCE, json.dumps(asdict(RunningInstance(url, os.getpid()))), mode=0o644)

    def running(self) -> RunningInstance | None:
        """The process that runs on the folder and is ready, or None."""
        try:
            lock = (self.path / _LOCK).open("a")
        except OSError:
            return None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return self._instance()
        return None

    def token(self) -> str | None:
        """The first tenant's token, where this folder's first start kept it."""
        try:
            return (self.path / _TOKEN).read_text().strip() or None
        except FileNotFoundError:
            return None

    def keep_token(self, secret: str) -> None:
        """Keeps the token for the owner of the folder alone."""
        _write(self.path / _TOKEN, secret + "\n", mode=0o600)

    def _instance(self) -> RunningInstance | None:
        try:
            return RunningInstance(**json.loads((self.path / _INSTANCE).read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None


def _write(path: Path, text: str, *, mode: int) -> None:
    """In one step: whoever reads sees all of it or none."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
