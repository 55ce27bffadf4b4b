"""Services start in order and stop in reverse, also when one of them does not start."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any, cast

import pytest

from lace_platform.config import ProcessConfig
from lace_platform.host import Platform
from lace_platform.rpc import Running
from lace_standalone.services import ALL_SERVICES, BEHIND_CONTROL, hosting

CONFIG = cast(ProcessConfig, None)
PLATFORM = cast(Platform, None)


@pytest.fixture
def diary(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Services that only write down when they start and stop."""
    entries: list[str] = []
    for name in ALL_SERVICES:
        install(monkeypatch, name, scripted(name, entries))
    return entries


def install(monkeypatch: pytest.MonkeyPatch, name: str, serve: Callable[..., Any]) -> None:
    module = ModuleType(f"lace_{name}.bootstrap")
    module.__dict__["serve"] = serve
    monkeypatch.setitem(sys.modules, module.__name__, module)


def scripted(name: str, entries: list[str], *, fails: bool = False, fails_at_end: bool = False) -> Callable[..., Any]:
    @asynccontextmanager
    async def serve(_config: ProcessConfig, _platform: Platform) -> AsyncIterator[Running]:
        await asyncio.sleep(0)
        if fails:
            raise RuntimeError(f"{name} cannot start")
        entries.append(f"+{name}")
        task = asyncio.current_task()
        yield Running(name, 1000 + len(entries), asyncio.Event().wait)  # type: ignore[arg-type]
        assert asyncio.current_task() is task
        entries.append(f"-{name}")
        if fails_at_end:
            raise RuntimeError(f"{name} cannot stop")

    return serve


async def test_control_comes_first_and_the_gateway_last(diary: list[str]) -> None:
    async with hosting(CONFIG, PLATFORM, ALL_SERVICES) as running:
        assert set(running) == set(ALL_SERVICES)
        assert diary[0] == "+control"
        assert set(diary[1:6]) == {f"+{name}" for name in BEHIND_CONTROL}
        assert diary[6:] == ["+gateway"]
    assert diary[7] == "-gateway"
    assert set(diary[8:13]) == {f"-{name}" for name in BEHIND_CONTROL}
    assert diary[13:] == ["-control"]


async def test_one_service_alone(diary: list[str]) -> None:
    async with hosting(CONFIG, PLATFORM, ["ingest"]) as running:
        assert list(running) == ["ingest"]
    assert diary == ["+ingest", "-ingest"]


async def test_what_had_started_is_stopped_when_another_fails(
    diary: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, "compiler", scripted("compiler", diary, fails=True))
    with pytest.raises(RuntimeError, match="compiler cannot start"):
        async with hosting(CONFIG, PLATFORM, ALL_SERVICES):
            pytest.fail("it must not come this far")
    started = {entry[1:] for entry in diary if entry.startswith("+")}
    stopped = {entry[1:] for entry in diary if entry.startswith("-")}
    assert started == stopped
    assert "gateway" not in started
    assert diary[-1] == "-control"


async def test_a_service_that_stops_badly_does_not_keep_the_others_running(
    diary: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, "runs", scripted("runs", diary, fails_at_end=True))
    async with hosting(CONFIG, PLATFORM, ALL_SERVICES):
        pass
    assert {entry for entry in diary if entry.startswith("-")} == {f"-{name}" for name in ALL_SERVICES}


async def test_an_interrupted_start_stops_what_it_started(diary: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    reached = asyncio.Event()
    go_on = asyncio.Event()

    @asynccontextmanager
    async def slow(_config: ProcessConfig, _platform: Platform) -> AsyncIterator[Running]:
        reached.set()
        await go_on.wait()
        diary.append("+llm_gateway")
        yield Running("llm_gateway", 1, asyncio.Event().wait)  # type: ignore[arg-type]
        diary.append("-llm_gateway")

    install(monkeypatch, "llm_gateway", slow)

    async def start() -> None:
        async with hosting(CONFIG, PLATFORM, ALL_SERVICES):
            pytest.fail("it must not come this far")

    task = asyncio.create_task(start())
    await reached.wait()
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert diary[-1] == "-control"
    assert "-llm_gateway" in diary
