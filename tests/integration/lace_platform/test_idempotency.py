"""One effect per Idempotency-Key, whatever is repeated, changed, at once or broken off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from lace_core.canonical import canonical_json
from lace_core.errors import LaceError, Reason
from lace_platform.auth import Identity
from lace_platform.clock import utc_now
from lace_platform.db.transaction import Transaction
from lace_platform.idempotency import once
from lace_platform.ids import new_id
from lace_platform.rpc.context import CallContext

if TYPE_CHECKING:
    from tests.integration.lace_platform.conftest import Probe

ROUTE = "/lace.probe.v1.Things/Add"
REQUEST = canonical_json({"name": "first", "tags": ["a"]})


class Caller:
    """Sends requests as one principal of one tenant; each effect inserts a row and answers with its number."""

    def __init__(self, probe: Probe, tenant_id: str, principal_id: str = "prn_a") -> None:
        now = utc_now()
        none: frozenset[str] = frozenset()
        self.identity = Identity(principal_id, tenant_id, none, none, none, "user", None, None, now, now, 0)
        self.probe = probe
        self.tenant_id = tenant_id
        self.effects = 0
        self.during_effect: Callable[[], object] = lambda: None

    async def _effect(self, tx: Transaction) -> bytes:
        self.effects += 1
        name = new_id("thing")
        await tx.execute("INSERT INTO things VALUES (:tenant_id, :name)", {"tenant_id": self.tenant_id, "name": name})
        await asyncio.sleep(0.02)
        self.during_effect()
        return orjson.dumps({"name": name, "token": "shown once"})

    async def send(
        self, key: str | None, request: bytes = REQUEST, route: str = ROUTE, **options: Any
    ) -> tuple[bytes, bool]:
        call = CallContext(self.identity, "req", "cor", idempotency_key=key)
        async with self.probe.db.transaction(self.tenant_id) as tx:
            answer = await once(tx, self.probe.tables, call, route, request, lambda: self._effect(tx), **options)
            await tx.commit()
        return answer

    async def rows(self) -> int:
        async with self.probe.db.transaction(self.tenant_id) as tx:
            return len(await tx.fetch_all("SELECT name FROM things"))


@pytest.fixture
def caller(probe: Probe, tenant_id: str) -> Caller:
    return Caller(probe, tenant_id)


async def test_the_same_request_again_gets_the_stored_answer(caller: Caller) -> None:
    first, replayed_first = await caller.send("k")
    second, replayed_second = await caller.send("k")
    assert (replayed_first, replayed_second) == (False, True)
    assert first == second
    assert (caller.effects, await caller.rows()) == (1, 1)


async def test_another_key_route_or_tenant_is_another_request(caller: Caller, probe: Probe) -> None:
    other = Caller(probe, new_id("ten"))
    answers = [
        await caller.send("k"),
        await caller.send("k2"),
        await caller.send("k", route=ROUTE + "2"),
        await other.send("k"),
    ]
    assert [replayed for _, replayed in answers] == [False] * 4


async def test_another_body_is_refused_with_the_difference(caller: Caller) -> None:
    await caller.send("k")
    with pytest.raises(LaceError) as caught:
        await caller.send("k", canonical_json({"name": "second", "tags": ["a", "b"], "x": 1}))
    assert caught.value.reason is Reason.IDEMPOTENCY_KEY_REUSED
    operations = [orjson.loads(detail.description) for detail in caught.value.details]
    assert {(op["op"], op["path"], orjson.dumps(op.get("value"))) for op in operations} == {
        ("replace", "/name", b'"second"'),
        ("add", "/tags/1", b'"b"'),
        ("add", "/x", b"1"),
    }
    assert await caller.rows() == 1


async def test_another_principal_is_refused_and_sees_nothing_of_the_first_request(caller: Caller, probe: Probe) -> None:
    await caller.send("k")
    with pytest.raises(LaceError) as caught:
        await Caller(probe, caller.tenant_id, "prn_b").send("k", canonical_json({"name": "second"}))
    assert caught.value.reason is Reason.IDEMPOTENCY_KEY_REUSED
    assert "first" not in str(caught.value.details)


async def test_a_request_too_large_or_too_secret_to_keep_is_still_recognised(caller: Caller) -> None:
    large = canonical_json({"text": "x" * 100_000})
    cases: list[tuple[str, bytes, dict[str, Any]]] = [
        ("large", large, {}),
        ("secret", REQUEST, {"keep_request": False}),
    ]
    for key, request, options in cases:
        await caller.send(key, request, **options)
        assert (await caller.send(key, request, **options))[1]
        with pytest.raises(LaceError) as caught:
            await caller.send(key, canonical_json({"name": "another"}), **options)
        assert [detail.field for detail in caught.value.details] == ["/"]


async def test_of_twenty_at_once_one_takes_effect_and_the_others_are_told_to_wait_or_get_its_answer(
    caller: Caller,
) -> None:
    outcomes = await asyncio.gather(*(caller.send("k") for _ in range(20)), return_exceptions=True)
    answers = [outcome for outcome in outcomes if isinstance(outcome, tuple)]
    refusals = [outcome for outcome in outcomes if isinstance(outcome, LaceError)]
    assert len(answers) + len(refusals) == 20
    assert [replayed for _, replayed in answers].count(False) == 1
    assert len({body for body, _ in answers}) == 1
    assert refusals, "some came while the first was still running"
    for refusal in refusals:
        assert refusal.reason is Reason.IDEMPOTENCY_IN_PROGRESS
        assert refusal.retryable
        assert refusal.retry_after
    assert (caller.effects, await caller.rows()) == (1, 1)
    assert (await caller.send("k"))[1]


async def test_a_failed_effect_leaves_nothing_and_may_be_sent_again(caller: Caller) -> None:
    def fail() -> None:
        raise LaceError(Reason.SERVICE_UNAVAILABLE, "not now")

    caller.during_effect = fail
    with pytest.raises(LaceError):
        await caller.send("k")
    assert await caller.rows() == 0
    caller.during_effect = lambda: None
    assert not (await caller.send("k"))[1]
    assert await caller.rows() == 1


async def test_a_secret_is_in_the_first_answer_only_and_not_in_the_table(caller: Caller, probe: Probe) -> None:
    def without_token(response: bytes) -> bytes:
        return orjson.dumps({"name": orjson.loads(response)["name"]})

    first, _ = await caller.send("k", remember=without_token)
    second, _ = await caller.send("k", remember=without_token)
    assert orjson.loads(first)["token"] == "shown once"
    assert "token" not in orjson.loads(second)
    async with probe.db.transaction(caller.tenant_id) as tx:
        row = await tx.fetch_one("SELECT response, expires_at - created_at AS kept FROM idempotency_keys")
    assert row is not None
    assert b"shown once" not in row.response
    assert row.kept.total_seconds() == pytest.approx(24 * 3600, abs=5)


async def test_an_expired_key_is_as_good_as_new(caller: Caller, probe: Probe) -> None:
    await caller.send("k")
    async with probe.system.transaction() as tx:
        await tx.execute(
            "UPDATE idempotency_keys SET expires_at = now() - interval '1 second' WHERE tenant_id = :t",
            {"t": caller.tenant_id},
        )
        await tx.commit()
    assert not (await caller.send("k", canonical_json({"name": "another"})))[1]
    assert (await caller.send("k", canonical_json({"name": "another"})))[1]
    assert await caller.rows() == 2


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (None, Reason.IDEMPOTENCY_KEY_REQUIRED),
        ("", Reason.IDEMPOTENCY_KEY_REQUIRED),
        ("x" * 256, Reason.IDEMPOTENCY_KEY_INVALID),
        ("a\x00b", Reason.IDEMPOTENCY_KEY_INVALID),
    ],
)
async def test_a_missing_or_impossible_key_is_refused_before_the_effect(
    caller: Caller, key: str | None, reason: Reason
) -> None:
    with pytest.raises(LaceError) as caught:
        await caller.send(key)
    assert caught.value.reason is reason
    assert caller.effects == 0
