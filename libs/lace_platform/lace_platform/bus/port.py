"""The port that services publish to and consume from, and what every adapter promises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from lace_platform.bus.envelope import Envelope

Handler = Callable[[Envelope], Awaitable[None]]


class Consumption(Protocol):
    """What `Bus.subscribe` gives back: one member of a group, at work until it is closed."""

    async def close(self) -> None:
        """Take nothing more, let running handlers end for 5 s, give back what they did not finish; the bus goes on.

        Closing again does nothing.
        """


class Bus(Protocol):
    """At least once to every group; in order per topic and key; dead letters for what cannot be handled.

    The next message of a key comes only after the one before it was handled or became a dead letter, on the
    topic "<topic>.dlq" with the cause in its headers: at once where another attempt would fail the same way,
    after the last attempt otherwise. Other keys do not wait for it. A group's first subscription begins with
    the earliest message still kept. The consumers of one group share its messages; those that come, leave or
    die make nothing lost and no key out of order, though a message may come again.
    """

    async def start(self) -> None:
        """Connect; before any other call."""

    async def close(self) -> None:
        """Stop consuming, let running handlers end for a moment, give back what they did not finish."""

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Returns when the broker has all of them durably; raises otherwise, and some may then be there."""

    async def subscribe(self, topics: Sequence[str], group: str, handler: Handler) -> Consumption:
        """Consume the topics in the background until it is closed; an exception of the handler means redelivery."""
