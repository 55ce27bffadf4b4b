"""All services in one process that dies by SIGKILL behind the commit of a request whose key begins with "crash-".

`python -m tests.doubles.fragile_installation`, with the installation's settings in the environment. It dies once for
each key: a file in the data folder remembers.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from lace_platform.config import load_process_config
from lace_platform.db.database import SystemDatabase
from lace_platform.db.transaction import Transaction
from lace_platform.rpc.context import call_or_none
from lace_standalone.program import installation_beside

MARK = "crash-"
READY = "ready"  # the file that says where it is, once it serves


def main() -> None:
    """Serve until killed."""
    config = load_process_config(env_file=None, environ=dict(os.environ))
    commit, execute_now = Transaction.commit, SystemDatabase.execute_now

    async def commit_and_die(transaction: Transaction) -> None:
        await commit(transaction)
        call = call_or_none()
        die_of(call.idempotency_key if call is not None else None)

    async def execute_and_die(database: SystemDatabase, sql: str, parameters: Any = None) -> Sequence[Any]:
        rows = await execute_now(database, sql, parameters)
        if "INSERT INTO runs.idempotency_keys" in sql:  # answers of many calls, by none of them
            for start in orjson.loads(parameters["starts"]):
                die_of(start["key"])
        return rows

    def die_of(key: str | None) -> None:
        if key and key.startswith(MARK) and _first(config.data_dir / key):
            os.kill(os.getpid(), signal.SIGKILL)

    Transaction.commit = commit_and_die  # type: ignore[method-assign, assignment]
    SystemDatabase.execute_now = execute_and_die  # type: ignore[method-assign, assignment]
    with installation_beside(config) as running:
        said = config.data_dir / f"{READY}.part"
        said.write_text(f"{running.url} {running.token}")
        said.replace(config.data_dir / READY)
        while True:
            time.sleep(60)


def _first(mark: Path) -> bool:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


if __name__ == "__main__":
    main()
