"""Any number of processes, calls, crashes and sleeps: no budget is overrun by more than a slice for each crash."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.budgets.leasing import Reservation
from lace_llm_gateway.domain.budgets import NOTHING, Amount
from lace_llm_gateway.domain.leases import held
from tests.doubles.budget_world import Process, World, spend

T = TypeVar("T")
LIMIT, SLICE, LARGEST, LEASE_S = 1000, 120, 90, 30.0


@dataclass
class Running:
    """A call under way in a process; its reservation stands in the ledger where it is one of a run."""

    process: Process
    held: Reservation
    in_run: bool


class BudgetMachine(RuleBasedStateMachine):
    """`spent` is the truth: all that calls used, whether anybody heard of it or not."""

    calls = Bundle("calls")
    runner: ClassVar[asyncio.Runner]

    def __init__(self) -> None:
        super().__init__()
        self.world = World(slice_tokens=SLICE, lease_s=LEASE_S, tokens_per_day=LIMIT, principal_tokens_per_day=700)
        self.processes: list[Process] = []
        self.running: list[Running] = []
        self.spent = 0
        self.hidden = 0
        self.slept = False
        self.crashes = 0

    def teardown(self) -> None:
        """All that live tell what they know, and all that died is settled: then nothing is held."""
        for call in list(self.running):
            self._end(call, call.held.tokens // 2)
        for process in self.processes:
            self.does(process.budgets.close())
        heir = self.world.process()
        self.world.now += LEASE_S
        self.does(heir.tell())
        assert self.world.held() == NOTHING
        assert self.world.store.leases == {}
        counted = self.world.spent().tokens
        # Who slept has lost his lease: what his calls use then he tells late, and takes with him where he dies before.
        untold = self.crashes * SLICE if self.slept else 0
        assert counted >= self.spent - self.hidden - untold
        if not self.slept:
            assert counted == self.spent - self.hidden

    def does(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs it to its end."""
        return self.runner.run(work)

    @initialize()
    def begins(self) -> None:
        """Two replicas."""
        self.processes = [self.world.process(), self.world.process()]

    @rule(
        target=calls,
        at=st.integers(0, 9),
        tokens=st.integers(1, LARGEST),
        principal=st.sampled_from(["prn_1", "prn_2", "prn_3"]),
        in_run=st.booleans(),
    )
    def a_call_begins(self, at: int, tokens: int, principal: str, in_run: bool) -> Any:
        """It is let through, or refused by a budget."""
        process = self.processes[at % len(self.processes)]
        reservation = self.does(_let_through(process, tokens, principal))
        if reservation is None:
            return multiple()
        call = Running(process, reservation, in_run)
        if in_run:
            self.world.ledger[reservation.lease_id] += Amount(tokens, 0)
        self.running.append(call)
        return call

    @rule(call=consumes(calls), percent=st.integers(0, 100))
    def a_call_ends(self, call: Running, percent: int) -> None:
        """It used what it reserved at most."""
        if call in self.running:
            self._end(call, call.held.tokens * percent // 100)

    @rule(at=st.integers(0, 9), seconds=st.sampled_from([0.1, 1.0, 6.0]))
    def a_round(self, at: int, seconds: float) -> None:
        """Time passes, and one process makes its round."""
        self.world.now += seconds
        self.does(self.processes[at % len(self.processes)].budgets.turn())

    @rule()
    def all_rounds(self) -> None:
        """All make theirs."""
        self.world.now += 1.0
        for process in self.processes:
            self.does(process.budgets.turn())

    @rule(at=st.integers(0, 9), percent=st.integers(0, 100))
    def a_crash(self, at: int, percent: int) -> None:
        """A process is gone; what its calls used until then is known only where they had a row."""
        self.crashes += 1
        dead = self.processes.pop(at % len(self.processes))
        for call in [each for each in self.running if each.process is dead]:
            self.running.remove(call)
            if call.in_run:  # it may have used all of it, and is taken to have
                self.spent += call.held.tokens
            else:
                self.spent += call.held.tokens * percent // 100
                self.hidden += call.held.tokens * percent // 100
        self.processes.append(self.world.process())

    @rule(at=st.integers(0, 9))
    def a_sleep(self, at: int) -> None:
        """All but one process stand still for longer than a lease, as in a suspended machine."""
        self.slept = True
        self.world.now += LEASE_S + 1
        self.does(self.processes[at % len(self.processes)].budgets.turn())

    @invariant()
    def never_beyond_the_limit(self) -> None:
        """What was used and may still be used by calls under way, but for what no row tells of the dead."""
        under_way = sum(call.held.tokens for call in self.running)
        excused = self.hidden + (under_way if self.slept else 0)
        assert self.spent + under_way - excused <= LIMIT

    @invariant()
    def counters_are_what_leases_hold(self) -> None:
        """Nothing is held that no lease holds, and the other way round."""
        for key, counter in self.world.store.rows.items():
            assert counter.leased == held(self.world.store.leases, key)

    def _end(self, call: Running, used: int) -> None:
        self.running.remove(call)
        self.spent += used
        if call.in_run:
            self.world.ledger[call.held.lease_id] -= Amount(call.held.tokens, 0)
        spend(self.world, call.held, used)


async def _let_through(process: Process, tokens: int, principal: str) -> Reservation | None:
    try:
        return await process.reserve(tokens, 0, principal)
    except LaceError as error:
        if error.reason is not Reason.QUOTA_EXCEEDED:
            raise
        return None


def test_no_budget_is_overrun() -> None:
    with asyncio.Runner() as BudgetMachine.runner:
        run_state_machine_as_test(
            BudgetMachine, settings=settings(max_examples=30, stateful_step_count=40, deadline=None)
        )
