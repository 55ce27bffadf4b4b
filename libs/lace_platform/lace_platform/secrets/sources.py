"""Secrets out of the environment, a .env file, and a folder with a file for each (as /run/secrets)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from dotenv import dotenv_values

from lace_platform.secrets.port import Secret

_LOOK_S = 1.0
_LARGEST = 65_536

Stamp = tuple[tuple[str, int, int, int], ...]
Clock = Callable[[], float]


class EnvironmentSecrets:
    """Variables as they were when the process began: nobody outside can change them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._secrets = {name: Secret(value.strip()) for name, value in environ.items() if value.strip()}

    def get(self, name: str) -> Secret | None:
        """See lace_platform.secrets.Secrets.get."""
        return self._secrets.get(name)

    def names(self) -> frozenset[str]:
        """See lace_platform.secrets.Secrets.names."""
        return frozenset(self._secrets)

    def version(self) -> int:
        """Always the same."""
        return 1


class _ReadAgain:
    """Secrets out of files, looked at again a second after the last look at the earliest."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._looked_at = float("-inf")
        self._stamp: Stamp | None = None
        self._secrets: Mapping[str, Secret] = {}
        self._version = 0

    def get(self, name: str) -> Secret | None:
        """See lace_platform.secrets.Secrets.get."""
        self._look()
        return self._secrets.get(name)

    def names(self) -> frozenset[str]:
        """See lace_platform.secrets.Secrets.names."""
        self._look()
        return frozenset(self._secrets)

    def version(self) -> int:
        """See lace_platform.secrets.Secrets.version."""
        self._look()
        return self._version

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked_at < _LOOK_S:
            return
        self._looked_at = now
        stamp = _stamp(self._files())
        if stamp == self._stamp:
            return
        found = {name: Secret(value) for name, value in self._read().items() if value}
        if self._stamp is None or found != self._secrets:
            self._version += 1
        self._secrets, self._stamp = found, stamp

    def _files(self) -> list[Path]:
        raise NotImplementedError

    def _read(self) -> Mapping[str, str]:
        raise NotImplementedError


class FolderSecrets(_ReadAgain):
    """A file for each secret, called as the variable, in capitals or not; a mounted secret is changed by a new file."""

    def __init__(self, folder: Path, clock: Clock = time.monotonic) -> None:
        super().__init__(clock)
        self._folder = folder

    def _files(self) -> list[Path]:
        try:
            return sorted(path for path in self._folder.iterdir() if not path.name.startswith("."))
        except OSError:
            return []

    def _read(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for path in self._files():
            try:
                if path.is_file() and path.stat().st_size <= _LARGEST:
                    found[path.stem.upper()] = path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):  # one that cannot be read is one that is not there
                continue
        return found


class DotenvSecrets(_ReadAgain):
    """The lines of a .env file."""

    def __init__(self, path: Path, clock: Clock = time.monotonic) -> None:
        super().__init__(clock)
        self._path = path

    def _files(self) -> list[Path]:
        return [self._path]

    def _read(self) -> Mapping[str, str]:
        return {name: (value or "").strip() for name, value in dotenv_values(self._path).items()}


def _stamp(files: list[Path]) -> Stamp:
    """What tells one state of files from another: a mounted secret is often a link, so its target is looked at."""
    found = []
    for path in files:
        try:
            status = path.stat()
        except OSError:
            continue
        found.append((path.name, status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)
