"""Resolved settings are remembered as long as nobody says that they have changed, and no longer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from lace_platform.auth import Identity
from lace_platform.clock import utc_now
from lace_platform.db.listener import SETTINGS_CHANGED, Listener, Subscription
from lace_platform.rpc import CallContext, acting_as
from lace_runs.adapters import settings_cache
from lace_runs.adapters.settings_cache import CachedSettings
from lace_runs.app.ports import Resolved


class Control:
    """Settings that count how often they are asked for; `meanwhile` happens before an answer is given."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self.meanwhile: Callable[[], None] = lambda: None

    async def resolve(self, overrides: Mapping[str, Any]) -> Resolved:
        self.asked.append(overrides)
        answer = Resolved({"number": len(self.asked), **overrides}, "hash", "uri")
        self.meanwhile()
        return answer


def _cache() -> tuple[CachedSettings, Control, Subscription]:
    changes = Listener("postgresql://nobody@/none", "nobody", "").subscribe(SETTINGS_CHANGED)
    control = Control()
    return CachedSettings(control, changes), control, changes


def _calling(principal_id: str = "prn_1", tenant_id: str = "ten_1") -> Any:
    now = utc_now()
    identity = Identity(
        principal_id=principal_id,
        tenant_id=tenant_id,
        roles=frozenset(),
        scopes=frozenset(),
        labels=frozenset(),
        kind="user",
        run_id=None,
        token_id=None,
        issued_at=now,
        expires_at=now + timedelta(minutes=5),
        epoch=0,
    )
    return acting_as(CallContext(identity, "req", "cor"))


async def test_the_same_question_is_asked_once() -> None:
    cache, control, _ = _cache()
    with _calling():
        first = await cache.resolve({"a": 1, "b": 2})
        assert await cache.resolve({"b": 2, "a": 1}) is first
    assert len(control.asked) == 1


async def test_callers_and_overrides_are_kept_apart() -> None:
    cache, control, _ = _cache()
    for who in (("prn_1", "ten_1"), ("prn_2", "ten_1"), ("prn_1", "ten_2")):
        for overrides in ({}, {"a": 1}):
            with _calling(*who):
                assert (await cache.resolve(overrides)).values.get("a") == overrides.get("a")
    assert len(control.asked) == 6


async def test_a_change_is_seen_by_the_next_start() -> None:
    cache, control, changes = _cache()
    with _calling():
        await cache.resolve({})
        changes.wake()
        assert (await cache.resolve({})).values["number"] == 2
        assert (await cache.resolve({})).values["number"] == 2
    assert len(control.asked) == 2


async def test_an_answer_that_a_change_overtook_is_not_kept() -> None:
    cache, control, changes = _cache()
    control.meanwhile = changes.wake
    with _calling():
        assert (await cache.resolve({})).values["number"] == 1
        control.meanwhile = lambda: None
        assert (await cache.resolve({})).values["number"] == 2


async def test_what_nobody_took_back_is_asked_again_after_a_while(monkeypatch: Any) -> None:
    monkeypatch.setattr(settings_cache, "_GOOD_FOR_S", 0.0)
    cache, control, _ = _cache()
    with _calling():
        await cache.resolve({})
        await cache.resolve({})
    assert len(control.asked) == 2
