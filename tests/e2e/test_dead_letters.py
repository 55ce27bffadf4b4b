"""A message that nobody can handle, from the bus to the client and the command line, and back."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lace.control.v1 import dead_letters_pb2
from lace_client import LaceApiError, LaceClient
from lace_core.errors import Reason
from lace_platform.bus import Bus, Envelope
from lace_platform.bus.kafka import KafkaBus
from lace_platform.bus.postgres import PostgresBus
from lace_platform.config import load_process_config
from lace_platform.db.migrations import BUS_ROLE, role_password
from lace_platform.ids import new_id
from tests.doubles.separate_processes import LACE
from tests.e2e.conftest import IN_ONE_PROCESS, RunningInstallation


@pytest.fixture
async def bus(installation: RunningInstallation) -> AsyncIterator[Bus]:
    """The installation's bus, as another process has it."""
    opened: Bus
    if installation.kind == IN_ONE_PROCESS:
        config = load_process_config(env_file=None, environ={"LACE_DATA_DIR": str(installation.data_dir)})
        opened = PostgresBus(installation.admin_dsn, password=role_password(config.db_role_secret, BUS_ROLE))
    else:
        opened = KafkaBus(os.environ["LACE_TEST_KAFKA"])
    await opened.start()
    yield opened
    await opened.close()


async def _letters(client: LaceClient, key: str, count: int) -> list[dead_letters_pb2.DeadLetter]:
    """The letters of a key, newest first, once there are so many."""

    def look() -> list[dead_letters_pb2.DeadLetter]:
        return [letter for letter in client.list_dead_letters(topic="compile.requested") if letter.key == key]

    async with asyncio.timeout(30):
        while len(found := await asyncio.to_thread(look)) < count:
            await asyncio.sleep(0.05)
    return found


async def test_it_is_seen_redriven_and_put_away(
    installation: RunningInstallation, client: LaceClient, bus: Bus
) -> None:
    key = new_id("run")
    # Of another tenant: the token is that of an administrator of the whole system.
    tenant_id = new_id("ten")
    await bus.publish([Envelope(new_id("evt"), tenant_id, "compile.requested", key, b'{"targett": "md"}')])
    [letter] = await _letters(client, key, 1)
    assert (letter.group, letter.attempts, letter.error_code) == ("compiler", 1, "UNKNOWN_FIELD")
    whole = await asyncio.to_thread(client.get_dead_letter, letter.dead_letter_id)
    assert json.loads(whole.payload) == {"targett": "md"}
    for _ in range(2):
        sent = await asyncio.to_thread(client.redrive_dead_letter, letter.dead_letter_id, key=f"r-{key}")
        assert sent.state == dead_letters_pb2.DEAD_LETTER_STATE_REDRIVEN
    again, first = await _letters(client, key, 2)
    assert (again.redrive_of, first.dead_letter_id) == (letter.dead_letter_id, letter.dead_letter_id)
    shown = await asyncio.to_thread(_lace, installation, "dlq", "show", again.dead_letter_id, "--json")
    assert (shown["redrive_of"], shown["state"]) == (letter.dead_letter_id, "dead")
    gone = await asyncio.to_thread(_lace, installation, "dlq", "discard", again.dead_letter_id, "--json")
    assert gone["state"] == "discarded"
    with pytest.raises(LaceApiError) as refused:
        await asyncio.to_thread(client.redrive_dead_letter, again.dead_letter_id)
    assert refused.value.reason is Reason.DEAD_LETTER_SETTLED


def _lace(installation: RunningInstallation, *arguments: str) -> Any:
    environ = {**os.environ, "LACE_URL": installation.url, "LACE_TOKEN": installation.token}
    done = subprocess.run([LACE, *arguments], env=environ, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
