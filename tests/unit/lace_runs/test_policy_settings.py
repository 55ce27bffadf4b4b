"""Settings under the policy that holds: asked for once, forgotten when another holds, kept with their own hash."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_core.policies.parsing import parse
from lace_core.settings import resolve
from lace_platform.auth import Identity
from lace_platform.blobs.folder import FolderBlobStore
from lace_platform.blobs.signing import UrlSigner
from lace_platform.clock import utc_now
from lace_platform.db.listener import Listener
from lace_platform.rpc import CallContext, acting_as
from lace_runs.adapters import policy_settings
from lace_runs.adapters.policies import POLICIES_CHANGED
from lace_runs.adapters.policy_settings import PolicySettings
from lace_runs.app.ports import OpenUnitOfWork, Resolved
from lace_runs.domain.policies import PolicyVersion


@dataclass
class Policies:
    """Versions in memory, and which one holds; counts how often that is asked. `meanwhile` happens meanwhile."""

    texts: list[str]
    holds: str = ""
    asked: int = 0
    meanwhile: Callable[[], None] = lambda: None
    policies: Policies = field(init=False)

    def __post_init__(self) -> None:
        self.policies = self

    async def find(self, tenant_id: str, name: str, version: int = 0) -> PolicyVersion | None:
        found = [each for each in self._versions(tenant_id) if each.name == name and version in (0, each.version)]
        return max(found, key=lambda each: each.version, default=None)

    async def active(self, tenant_id: str, at: datetime) -> PolicyVersion | None:
        self.asked += 1
        found = next((each for each in self._versions(tenant_id) if each.full_name == self.holds), None)
        self.meanwhile()
        return found

    def _versions(self, tenant_id: str) -> list[PolicyVersion]:
        parsed = [(parse(text), text) for text in self.texts]
        return [
            PolicyVersion(
                tenant_id=tenant_id, name=p.policy.policy, version=p.policy.version, sha256=p.sha256, text=text,
                description="", extends=p.policy.extends, created_by="prn_1", created_at=utc_now(),
            )
            for p, text in parsed
        ]  # fmt: skip


class Control:
    """The settings without any policy."""

    async def resolve(self, overrides: Mapping[str, Any]) -> Resolved:
        return Resolved({**resolve([]).values, **overrides}, "hash-of-control", "uri-of-control")


@dataclass
class World:
    settings: PolicySettings
    policies: Policies
    changed: Callable[[], None]
    blobs: FolderBlobStore


@pytest.fixture
def world(tmp_path: Path) -> World:
    policies = Policies(
        [
            "policy: house\nversion: 1\nredaction: {patterns: [X]}\n",
            "policy: house\nversion: 2\n",
            "policy: team\nversion: 1\nextends: house@1\n",
        ]
    )

    @contextlib.asynccontextmanager
    async def opened(tenant_id: str) -> AsyncIterator[Policies]:
        yield policies

    changes = Listener("postgresql://nobody@/none", "nobody", "").subscribe(POLICIES_CHANGED)
    blobs = FolderBlobStore(tmp_path, UrlSigner("secret"))
    made = PolicySettings(Control(), cast(OpenUnitOfWork, opened), blobs, changes)
    return World(made, policies, changes.wake, blobs)


def _calling(*scopes: str) -> Any:
    now = utc_now()
    identity = Identity(
        principal_id="prn_1", tenant_id="ten_1", roles=frozenset(), scopes=frozenset(scopes), labels=frozenset(),
        kind="user", run_id=None, token_id=None, issued_at=now, expires_at=now + timedelta(minutes=5), epoch=0,
    )  # fmt: skip
    return acting_as(CallContext(identity, "req", "cor"))


async def test_without_a_policy_nothing_changes_and_nobody_is_asked_twice(world: World) -> None:
    with _calling():
        for _ in range(3):
            found = await world.settings.resolve({})
            assert (found.settings_hash, found.uri, found.policy) == ("hash-of-control", "uri-of-control", None)
    assert world.policies.asked == 1


async def test_what_holds_is_pinned_with_a_hash_of_its_own(world: World) -> None:
    world.policies.holds = "house@1"
    with _calling():
        found = await world.settings.resolve({"runs.target_words": 900})
        assert await world.settings.resolve({"runs.target_words": 900}) == found
    assert found.policy is not None
    assert (found.policy.name, found.policy.sha256) == ("house@1", sha256_hex(world.policies.texts[0].encode()))
    assert found.values["llm.redaction_patterns"] == ["X"]
    assert found.values["runs.target_words"] == 900
    snapshot = await world.blobs.get(found.uri, found.settings_hash)
    assert sha256_hex(snapshot) == found.settings_hash
    assert world.policies.asked == 1


async def test_another_one_holds_as_soon_as_it_is_said(world: World) -> None:
    with _calling():
        assert (await world.settings.resolve({})).policy is None
        for name, say in (("house@1", world.changed), ("house@2", world.settings.forget)):
            world.policies.holds = name
            say()
            policy = (await world.settings.resolve({})).policy
            assert policy is not None
            assert policy.name == name


async def test_what_was_read_before_a_change_is_not_remembered(world: World) -> None:
    with _calling():
        for say in (world.changed, world.settings.forget):
            world.settings.forget()
            world.policies.meanwhile = say
            await world.settings.resolve({})
            world.policies.meanwhile = lambda: None
            asked = world.policies.asked
            await world.settings.resolve({})
            assert world.policies.asked == asked + 1


async def test_it_is_asked_for_again_after_a_while(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_settings, "_GOOD_FOR_S", 0.0)
    with _calling():
        await world.settings.resolve({})
        await world.settings.resolve({})
    assert world.policies.asked == 2


async def test_a_run_s_grant_changes_nothing(world: World) -> None:
    world.policies.holds = "house@1"
    with acting_as(CallContext(None, "req", "cor")):
        assert (await world.settings.resolve({})).policy is None
    assert world.policies.asked == 0


async def test_members_name_what_extends_what_holds_and_administrators_any(world: World) -> None:
    world.policies.holds = "house@1"
    with _calling():
        team = (await world.settings.resolve({}, "team")).policy
        assert team is not None
        assert team.name == "team@1"
        for named in ("house", "default"):
            with pytest.raises(LaceError) as failure:
                await world.settings.resolve({}, named)
            assert failure.value.reason is Reason.POLICY_FORBIDS
        with pytest.raises(LaceError) as failure:
            await world.settings.resolve({}, "nobody@1")
        assert failure.value.reason is Reason.POLICY_NOT_FOUND
    with _calling("admin"):
        other = (await world.settings.resolve({}, "house")).policy
        assert other is not None
        assert other.name == "house@2"
        assert (await world.settings.resolve({}, "default")).policy is None
