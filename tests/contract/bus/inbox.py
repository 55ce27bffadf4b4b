"""A handler that remembers what it was given, and the messages that it is given."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

from lace_platform.bus import Envelope
from lace_platform.ids import new_id


class Inbox:
    """A handler that remembers, and that may fail or wait."""

    def __init__(self) -> None:
        self.received: list[Envelope] = []
        self.in_hand: defaultdict[str, int] = defaultdict(int)
        self.most_of_one_key = 0
        self.most_at_once = 0
        self.fail: Callable[[Envelope], Exception | None] = lambda _envelope: None
        self.pause_s = 0.0

    async def __call__(self, envelope: Envelope) -> None:
        self.received.append(envelope)
        self.in_hand[envelope.key] += 1
        self.most_of_one_key = max(self.most_of_one_key, self.in_hand[envelope.key])
        self.most_at_once = max(self.most_at_once, sum(self.in_hand.values()))
        try:
            await asyncio.sleep(self.pause_s)
            if error := self.fail(envelope):
                raise error
        finally:
            self.in_hand[envelope.key] -= 1

    def payloads(self, key: str | None = None) -> list[bytes]:
        return [envelope.payload for envelope in self.received if key is None or envelope.key == key]


def message(topic: str, key: str = "k", payload: bytes = b"{}", **headers: str) -> Envelope:
    return Envelope(new_id("evt"), "ten_a", topic, key, payload, schema_version=3, headers=headers)


def numbered(topic: str, keys: int, each: int) -> list[Envelope]:
    return [message(topic, f"key-{k}", b"%d" % n) for n in range(each) for k in range(keys)]
