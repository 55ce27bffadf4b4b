"""The life of runs against a model of it: workers that die, are stopped and come back, commands, lost answers.

Two workers and real tables; the model knows no leases, epochs or transactions, only what a person is promised. After
every rule the tables must come to what the model says. LACE_LIFE_CYCLE_EXAMPLES asks for more than the usual few.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from msgspec import Struct

from lace_core.errors import LaceError, Reason
from lace_platform.clock import utc_now
from lace_platform.db.database import SystemDatabase
from lace_platform.ids import new_id
from lace_runs.adapters.boundary import GroupCommit
from lace_runs.adapters.lease import WorkerLease
from lace_runs.app.bodies import CUSTOM
from lace_runs.app.execution import Execution, Tools
from lace_runs.app.step_scope import StepScope
from lace_runs.app.worker import Worker
from lace_runs.domain import steps as out
from lace_runs.domain.runs import TRANSITIONS, RunState, Trigger, outlook
from tests.doubles.runs_world import World, acting, span
from tests.doubles.runs_world import world as make_world

EXAMPLES = int(os.environ.get("LACE_LIFE_CYCLE_EXAMPLES", "6"))
RULES = 25
STEPS = ("noop1", "noop2", "noop3")
SETTLE_S = 10.0
CAN_RUN = ["noop10/1"]
CLEAR = "UPDATE runs.runs SET state = 'cancelled' WHERE state NOT IN ('succeeded', 'failed', 'cancelled')"
DIE = "UPDATE runs.workers SET expires_at = now() - interval '1 second' WHERE worker_id = :worker_id"
UNDER_WAY = """
SELECT step_id FROM runs.step_runs WHERE run_id = :run_id AND status = 'running'
  AND (step_id, attempt) IN (SELECT step_id, max(attempt) FROM runs.step_runs WHERE run_id = :run_id GROUP BY step_id)
"""


@dataclass
class Model:
    """What a run is promised to be."""

    run_id: str
    state: RunState = RunState.QUEUED
    done: int = 0
    effects: Counter[str] = field(default_factory=Counter)
    waiting: list[Trigger] = field(default_factory=list)
    from_steps: list[str] = field(default_factory=list)
    holder: str = ""
    commands: int = 0
    restarted: dict[str, str] = field(default_factory=dict)

    def restart(self, from_step: str) -> int:
        """How many steps stay done."""
        return min(self.done, STEPS.index(from_step) if from_step else 0)

    def take_waiting(self) -> None:
        """Commands take effect one after the other."""
        while self.waiting and not self.state.is_final:
            trigger, from_step = self.waiting.pop(0), self.from_steps.pop(0)
            self.state = TRANSITIONS[self.state, trigger]
            if trigger is Trigger.RESTART:
                self.done = self.restart(from_step)
            if self.state in (RunState.PAUSED, RunState.CANCELLED):
                self.holder = ""
                return


class LosingDatabase:
    """The database, whose next answer to a boundary is lost after it was committed."""

    def __init__(self, database: SystemDatabase) -> None:
        self._database = database
        self.lose = False

    async def execute_now(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Any]:
        rows = await self._database.execute_now(sql, parameters)
        if self.lose and "last_boundary = b.boundary_id" in sql:
            self.lose = False
            raise psycopg.OperationalError("the answer was lost")
        return rows

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


class Hand:
    """One worker, moved by the test: it claims, takes up commands and does a step when it is told to."""

    def __init__(self, world: World, database: LosingDatabase) -> None:
        self.database = database
        self.commit = GroupCommit(database, dict)  # type: ignore[arg-type]
        self.lease = WorkerLease(world.system, world.dsn, world.password, lease_ms=60_000, renewal_ms=10_000)
        self.gates: dict[str, asyncio.Semaphore] = {}
        self.left: set[str] = set()
        tools = Tools(self.commit, world.snapshots, acting, span, utc_now, self.lease.worker_id, self._no_news)
        bodies = {"noop10": self._body, CUSTOM: self._body}
        self.worker = Worker(self.lease, tools, bodies, concurrency=50, news=self._no_news, ended=self.left.add)

    @staticmethod
    async def _no_news(timeout_s: float) -> bool:
        await asyncio.sleep(timeout_s)
        return False

    async def _body(self, execution: Execution) -> Struct | None:
        gate = self.gates.setdefault(execution.run.run_id, asyncio.Semaphore(0))

        async def wait(scope: StepScope) -> Struct:
            del scope
            await gate.acquire()
            return out.Nothing()

        execution.set_total(len(STEPS))
        for name in STEPS:
            await execution.step(name, wait)
        return None

    async def start(self) -> None:
        await self.commit.start()
        await self.lease.start()

    async def claim(self) -> None:
        self.lease._claims._looked_at = float("-inf")
        await self.worker._claim(CAN_RUN)

    async def kill(self, world: World) -> None:
        """Nothing more comes from it, and its lease is over."""
        await self.stop(world)
        tasks = [task for _, task in self.worker._held.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self, world: World) -> None:
        """Its lease is over, and it does not know."""
        self.lease._stopped.set()
        async with world.system.transaction() as tx:
            await tx.execute(DIE, {"worker_id": self.lease.worker_id})
            await tx.commit()

    async def close(self, world: World) -> None:
        await self.kill(world)
        await self.lease.close()
        await self.commit.close()


class LifeCycle(RuleBasedStateMachine):
    """Set `postgres` before it runs."""

    postgres: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.models: dict[str, Model] = {}
        self.zombies: list[tuple[Hand, str]] = []
        self.old: list[Hand] = []
        self.do(self._open())

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def _open(self) -> None:
        role = "lace_runs_system"
        self.database = self.postgres.database("runs", pool_size=2)
        self.system = self.postgres.system_database("runs", pool_size=4)
        self.listener = self.postgres.listener("runs")
        await self.listener.start()
        dsn, password = self.postgres.admin_dsn, self.postgres.password(role)
        self.world = make_world(self.database, self.system, self.listener, dsn, password, new_id("ten"))
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as admin:
            await admin.execute(CLEAR)
        self.hands = [await self._hand(), await self._hand()]

    async def _hand(self) -> Hand:
        hand = Hand(self.world, LosingDatabase(self.system))
        await hand.start()
        return hand

    # -- rules ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.models) < 3)
    @rule()
    def start(self) -> None:
        run = self.do(self.world.start("noop10"))
        self.models[run.run_id] = Model(run.run_id)

    @rule(which=st.integers(0, 1))
    def claim(self, which: int) -> None:
        hand = self.hands[which]
        for model in self.models.values():
            if not model.holder and self._has_something_to_do(model):
                model.holder = hand.lease.worker_id
                if model.state in (RunState.QUEUED, RunState.RESUMING) and not model.waiting:
                    model.state = RunState.RUNNING
                model.take_waiting()
                if model.holder and model.state in (RunState.QUEUED, RunState.RESUMING):
                    model.state = RunState.RUNNING
                if model.state is RunState.PAUSING:  # nothing is under way yet
                    model.state, model.holder = RunState.PAUSED, ""
        self.do(hand.claim())
        self.settle()

    @staticmethod
    def _has_something_to_do(model: Model) -> bool:
        return not model.state.is_final and (model.state is not RunState.PAUSED or bool(model.waiting))

    @rule(which=st.integers(0, 5), times=st.integers(1, 3))
    def step(self, which: int, times: int) -> None:
        for _ in range(times):
            held = [m for m in self.models.values() if m.holder]
            if held:
                model = held[which % len(held)]
                gate = self._gate(model)
                self._do_step(model)
                gate.release()
                self.settle()

    def _do_step(self, model: Model) -> None:
        model.effects[STEPS[model.done]] += 1
        model.done += 1
        model.take_waiting()
        if not model.holder:
            return
        if model.done == len(STEPS):
            model.state, model.holder = RunState.SUCCEEDED, ""
        elif model.state is RunState.PAUSING:
            model.state, model.holder = RunState.PAUSED, ""

    def _gate(self, model: Model) -> asyncio.Semaphore:
        [hand] = [hand for hand in self.hands if hand.lease.worker_id == model.holder]
        return hand.gates[model.run_id]

    @rule(
        which=st.integers(0, 5),
        trigger=st.sampled_from([Trigger.PAUSE, Trigger.RESUME, Trigger.RESTART, Trigger.CANCEL]),
        from_step=st.sampled_from(["", *STEPS]),
        times=st.integers(1, 2),
    )
    def command(self, which: int, trigger: Trigger, from_step: str, times: int) -> None:
        if not self.models:
            return
        model = list(self.models.values())[which % len(self.models)]
        from_step = from_step if trigger is Trigger.RESTART else ""
        for _ in range(times):
            self._command(model, trigger, from_step)
        self.settle()

    def _command(self, model: Model, trigger: Trigger, from_step: str) -> None:
        if model.state.is_final and trigger is Trigger.RESTART:
            return self._restart_anew(model, from_step)
        same = [(t, f) for t, f in zip(model.waiting, model.from_steps, strict=True) if t is Trigger.RESTART]
        state = model.state
        for waiting in model.waiting:
            state = TRANSITIONS[state, waiting]
        if (trigger, from_step) in same:
            self.do(self.world.control(model.run_id, trigger, from_step))
        elif (state, trigger) in TRANSITIONS:
            self.do(self.world.control(model.run_id, trigger, from_step))
            model.waiting.append(trigger)
            model.from_steps.append(from_step)
            model.commands += 1
        else:
            with pytest.raises(LaceError) as refused:
                self.do(self.world.control(model.run_id, trigger, from_step))
            assert refused.value.reason is Reason.RUN_TRANSITION_ILLEGAL
        return None

    def _restart_anew(self, model: Model, from_step: str) -> None:
        run = self.do(self.world.control(model.run_id, Trigger.RESTART, from_step))
        before = self.models.get(model.restarted.get(from_step, ""))
        if before is not None and not before.state.is_final:
            assert run.run_id == before.run_id, "an equal restart led to another run"
            return
        assert run.run_id not in self.models
        model.restarted[from_step] = run.run_id
        model.commands += 1
        self.models[run.run_id] = Model(run.run_id, done=model.restart(from_step))

    @rule(which=st.integers(0, 1))
    def take_commands(self, which: int) -> None:
        hand = self.hands[which]
        for model in self.models.values():
            if model.holder == hand.lease.worker_id:
                model.take_waiting()
        self.do(hand.worker._take_commands())
        self.settle()

    @rule(which=st.integers(0, 1), knows=st.booleans())
    def lose_worker(self, which: int, knows: bool) -> None:
        hand = self.hands[which]
        for model in self.models.values():
            if model.holder == hand.lease.worker_id:
                model.holder = ""
                if not knows:
                    self.zombies.append((hand, model.run_id))
        self.do(hand.kill(self.world) if knows else hand.stop(self.world))
        self.old.append(hand)
        self.hands[which] = self.do(self._hand())

    @rule(which=st.integers(0, 5))
    def wake_zombie(self, which: int) -> None:
        if not self.zombies:
            return
        hand, run_id = self.zombies[which % len(self.zombies)]
        epoch = self.do(self.world.get(run_id)).epoch
        held = hand.worker._held.get(run_id)
        if held is None or held[0].run.epoch == epoch:
            return  # nobody has taken the run over: it is still the zombie's
        self.zombies.remove((hand, run_id))
        hand.gates[run_id].release()

        async def until_it_gives_up() -> None:
            async with asyncio.timeout(SETTLE_S):
                while run_id in hand.worker._held:
                    await asyncio.sleep(0.002)

        self.do(until_it_gives_up())
        self.settle()

    @rule(which=st.integers(0, 1))
    def lose_an_answer(self, which: int) -> None:
        self.hands[which].database.lose = True

    # -- what must hold -------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Until the tables are what the model says; fails when they never come to it."""
        deadline = time.monotonic() + SETTLE_S
        for model in self.models.values():
            while (wrong := self.do(self._differs(model))) and time.monotonic() < deadline:
                self.do(asyncio.sleep(0.002))
            assert not wrong, f"{model}: {wrong}"

    async def _differs(self, model: Model) -> str:
        run = await self.world.get(model.run_id)
        found: dict[str, Any] = {"state": run.state, "done": run.steps_done if model.effects else model.done}
        wanted: dict[str, Any] = {"state": model.state, "done": model.done}
        if model.effects and found["done"] != model.done:  # a restart tells it with the next step
            async with self.world.open(self.world.tenant_id) as work:
                found["done"] = len(await work.runs.checkpoints(self.world.tenant_id, model.run_id))
        if model.holder:
            async with self.world.system.transaction() as tx:
                under_way = [row.step_id for row in await tx.fetch_all(UNDER_WAY, {"run_id": model.run_id})]
            found["under way"], wanted["under way"] = STEPS[model.done] in under_way, True
        return "" if found == wanted else f"{found} in place of {wanted}"

    @invariant()
    def everything_is_told_once_and_in_order(self) -> None:
        for model in self.models.values():
            self.do(self._check(model))

    async def _check(self, model: Model) -> None:
        tenant = self.world.tenant_id
        events = await self.world.events(model.run_id)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        told = Counter(e.draft.step_id for e in events if e.draft.event_type == "pipeline.step.completed")
        assert told == model.effects, "a step's effect is there twice, or not at all"
        async with self.world.open(tenant) as work:
            kept = set(await work.runs.checkpoints(tenant, model.run_id))
            waiting = await work.runs.waiting_commands(tenant, model.run_id)
        assert kept == set(STEPS[: model.done])
        if not model.state.is_final:
            assert [command.trigger for command in waiting] == model.waiting
            assert outlook(model.state, waiting) in RunState
        async with self.world.system.transaction() as tx:
            rows = await tx.fetch_all(
                "SELECT outcome FROM runs.run_control_commands WHERE run_id = :r AND applied_at IS NOT NULL",
                {"r": model.run_id},
            )
        assert len(rows) + len(waiting) == model.commands, "a command is there twice, or not at all"
        if not model.state.is_final:
            assert not [row for row in rows if row.outcome.startswith("refused")]

    def teardown(self) -> None:
        self.do(self._close())
        self.runner.close()

    async def _close(self) -> None:
        for hand in (*self.hands, *self.old):
            await hand.close(self.world)
        await self.listener.close()
        await self.system.close()
        await self.database.close()


@pytest.mark.timeout(120 + 5 * EXAMPLES)
def test_runs_live_as_the_model_says(postgres: Any) -> None:
    machine: type[LifeCycle] = type("LifeCycleOnPostgres", (LifeCycle,), {"postgres": postgres})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=RULES,
            deadline=None,
            phases=[Phase.generate],  # a shorter example is not worth the minutes that it takes here
            derandomize="LACE_LIFE_CYCLE_EXAMPLES" not in os.environ,
            suppress_health_check=list(HealthCheck),
        ),
    )
