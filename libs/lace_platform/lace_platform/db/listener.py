"""One LISTEN connection per process, which wakes any number of waiters in memory."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection, Notify, sql

from lace_platform.db.dsn import connection_parameters

# After a change of settings or quotas, so that whoever remembers what they came to forgets it.
SETTINGS_CHANGED = "control_settings"

_FIRST_RETRY_S = 0.1
_LONGEST_RETRY_S = 2.0

_log = structlog.get_logger(__name__)


class Subscription:
    """Wakes one waiter when one of its channels is notified; several notifications before the next wait are one."""

    def __init__(self, listener: Listener, channels: tuple[str, ...]) -> None:
        self._listener = listener
        self._channels = channels
        self._woken = asyncio.Event()

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109 - a timeout is one of its two answers
        """True when woken, False after `timeout` seconds. Look for work after either: a wake-up can be lost."""
        try:
            async with asyncio.timeout(timeout):
                await self._woken.wait()
        except TimeoutError:
            return False
        # Cleared before the caller looks for work: what arrives while it looks wakes it again.
        self._woken.clear()
        return True

    def take(self) -> bool:
        """Whether it was woken since it was last asked or waited on, without waiting."""
        woken = self._woken.is_set()
        self._woken.clear()
        return woken

    def wake(self) -> None:
        """Wake the waiter from within the process, as a notification would."""
        self._woken.set()

    def close(self) -> None:
        """Take the waiter off its channels."""
        for channel in self._channels:
            self._listener.drop(channel, self)


class Listener:
    """Listens on every subscribed channel over one connection, and opens it again when it is lost."""

    def __init__(self, dsn: str, role: str, password: str) -> None:
        self._parameters = connection_parameters(dsn, role=role, password=password, application_name=f"{role}_listener")
        self._subscriptions: dict[str, set[Subscription]] = {}
        self._listening: set[str] = set()
        self._attention = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen in the background; a database that is away is tried again until it is there."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="postgres-listener")

    async def close(self) -> None:
        """Stop listening; waiters then see only their timeouts."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def subscribe(self, *channels: str) -> Subscription:
        """A new waiter, on a channel or on several; may be called before `start`."""
        subscription = Subscription(self, channels)
        for channel in channels:
            self._subscriptions.setdefault(channel, set()).add(subscription)
        self._attention.set()
        return subscription

    def drop(self, channel: str, subscription: Subscription) -> None:
        """Forget a waiter; the channel of the last one is no longer listened to."""
        waiting = self._subscriptions.get(channel, set())
        waiting.discard(subscription)
        if not waiting:
            self._subscriptions.pop(channel, None)
            self._attention.set()

    async def _run(self) -> None:
        delay = _FIRST_RETRY_S
        while True:
            try:
                async with await AsyncConnection.connect(**self._parameters, autocommit=True) as connection:
                    delay = _FIRST_RETRY_S
                    await self._listen(connection)
            except (psycopg.Error, OSError) as error:
                _log.warning("listener_lost", error=str(error).strip(), retry_in_s=delay)
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_RETRY_S)

    async def _listen(self, connection: AsyncConnection[Any]) -> None:
        connection.add_notify_handler(self._dispatch)
        self._listening.clear()
        self._attention.set()
        await self._follow_subscriptions(connection)
        # What was notified while the connection was away is lost: everyone looks for himself.
        self._wake(*self._subscriptions)
        while True:
            await self._wait_for_attention(connection.fileno())
            connection.pgconn.consume_input()
            while notification := connection.pgconn.notifies():
                self._wake(notification.relname.decode())
            await self._follow_subscriptions(connection)

    async def _wait_for_attention(self, socket: int) -> None:
        """Until the server has sent something or the subscriptions have changed."""
        loop = asyncio.get_running_loop()
        loop.add_reader(socket, self._attention.set)
        try:
            await self._attention.wait()
            self._attention.clear()
        finally:
            # psycopg puts its own reader on the socket while a statement runs.
            loop.remove_reader(socket)

    async def _follow_subscriptions(self, connection: AsyncConnection[Any]) -> None:
        wanted = set(self._subscriptions)
        for channel in wanted - self._listening:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            self._listening.add(channel)
            # Notifications sent before the LISTEN are not seen by it.
            self._wake(channel)
        for channel in self._listening - wanted:
            await connection.execute(sql.SQL("UNLISTEN {}").format(sql.Identifier(channel)))
            self._listening.discard(channel)

    def _dispatch(self, notification: Notify) -> None:
        self._wake(notification.channel)

    def _wake(self, *channels: str) -> None:
        for channel in channels:
            for subscription in tuple(self._subscriptions.get(channel, ())):
                subscription.wake()
