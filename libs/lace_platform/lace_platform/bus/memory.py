"""The bus in memory, for unit tests: the same promises as the others, under the same contract suite."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from lace_platform.bus.delivery import RetryPolicy, attempt, cause_of_death, dead_letter
from lace_platform.bus.envelope import Envelope
from lace_platform.bus.port import Consumption, Handler

_GRACE_S = 5.0


@dataclass
class _Group:
    """What one group still has to handle, by topic and key, and who handles it, in turn."""

    waiting: defaultdict[tuple[str, str], deque[Envelope]] = field(default_factory=lambda: defaultdict(deque))
    busy: set[tuple[str, str]] = field(default_factory=set)
    attempts: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    members: deque[_Member] = field(default_factory=deque)


@dataclass(eq=False)
class _Member:
    """One member of one group, and what it handles at the moment."""

    bus: MemoryBus
    handler: Handler
    running: set[asyncio.Task[None]] = field(default_factory=set)

    async def close(self) -> None:
        """Leave the group, let running handlers end for 5 s, and leave the rest to the other members."""
        self.bus.leave(self)
        if self.running:
            await asyncio.wait(self.running, timeout=_GRACE_S)
        for task in tuple(self.running):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self.bus.pass_on()


class MemoryBroker:
    """The messages and groups that several `MemoryBus` share, as processes share a broker."""

    def __init__(self) -> None:
        self.messages: defaultdict[str, list[Envelope]] = defaultdict(list)
        self.groups: dict[str, _Group] = {}
        self.subscriptions: set[tuple[str, str]] = set()

    def add(self, envelope: Envelope) -> None:
        """Keep a message and put it in line for every group of its topic."""
        self.messages[envelope.topic].append(envelope)
        for group, topic in self.subscriptions:
            if topic == envelope.topic:
                self.groups[group].waiting[topic, envelope.key].append(envelope)

    def join(self, group: str, topics: Sequence[str], member: _Member) -> None:
        """Add a member; a group that is new to a topic begins with its first message."""
        entry = self.groups.setdefault(group, _Group())
        entry.members.append(member)
        for topic in topics:
            if (group, topic) not in self.subscriptions:
                self.subscriptions.add((group, topic))
                for envelope in self.messages[topic]:
                    entry.waiting[topic, envelope.key].append(envelope)

    def dispatch(self) -> None:
        """Start the handling of every key that waits and is not being handled."""
        for name, group in self.groups.items():
            for line in [line for line, waiting in group.waiting.items() if waiting and line not in group.busy]:
                if group.members:
                    group.members.rotate()
                    group.busy.add(line)
                    group.members[0].bus.handle(name, group, line, group.members[0])


class MemoryBus:
    """A bus in this process; with one broker between them, several act like several processes."""

    def __init__(self, broker: MemoryBroker | None = None, *, retry: RetryPolicy | None = None) -> None:
        self._broker = broker or MemoryBroker()
        self._retry = retry or RetryPolicy(first_pause_s=0.005, longest_pause_s=0.05)
        self._members: list[_Member] = []

    def messages(self, topic: str) -> Sequence[Envelope]:
        """Everything published to a topic so far."""
        return tuple(self._broker.messages[topic])

    async def start(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Leave all groups, let running handlers end for 5 s, and leave the rest to the other members."""
        await asyncio.gather(*(member.close() for member in tuple(self._members)))

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Put the messages in line for every group."""
        for envelope in envelopes:
            self._broker.add(envelope)
        self._broker.dispatch()

    async def subscribe(self, topics: Sequence[str], group: str, handler: Handler) -> Consumption:
        """Join a group."""
        member = _Member(self, handler)
        self._members.append(member)
        self._broker.join(group, topics, member)
        self._broker.dispatch()
        return member

    def leave(self, member: _Member) -> None:
        """Give a member of this bus nothing more."""
        for group in self._broker.groups.values():
            group.members = deque(other for other in group.members if other is not member)
        self._members = [other for other in self._members if other is not member]

    def pass_on(self) -> None:
        """Let other members handle what one has left."""
        self._broker.dispatch()

    def handle(self, name: str, group: _Group, line: tuple[str, str], member: _Member) -> None:
        """Handle one key's messages in the background until there are none, or this member leaves."""
        task = asyncio.create_task(self._handle(name, group, line, member))
        member.running.add(task)
        task.add_done_callback(member.running.discard)

    async def _handle(self, name: str, group: _Group, line: tuple[str, str], member: _Member) -> None:
        try:
            while group.waiting[line] and member in group.members:
                envelope = group.waiting[line][0]
                if await self._settle(name, group, envelope, member.handler):
                    group.waiting[line].popleft()
        finally:
            group.busy.discard(line)

    async def _settle(self, name: str, group: _Group, envelope: Envelope, handler: Handler) -> bool:
        """One attempt; True when the message is handled or dead."""
        made = group.attempts[envelope.id] = group.attempts[envelope.id] + 1
        error = await attempt(handler, envelope, name, made)
        if error is not None and not self._retry.is_over(envelope, made, error):
            await asyncio.sleep(self._retry.pause(made))
            return False
        del group.attempts[envelope.id]
        if error is not None:
            await self.publish([dead_letter(envelope, cause_of_death(envelope, error, name, made))])
        return True
