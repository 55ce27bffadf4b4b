"""The idempotent producer of a Kafka bus: what was handed to it once is not sent again while its outcome is open."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from lace_platform.bus.envelope import Envelope
from lace_platform.bus.kafka_record import headers_of

# Bytes; Kafka's own default of 1 MiB would keep a large log, and all that is behind it in its key, for ever.
LARGEST_MESSAGE = 16 * 1024 * 1024
_REQUEST_TIMEOUT_MS = 10_000
_STOP_TIMEOUT_S = 5.0
_REMEMBERED = 10_000
# These say something about a message or a moment; after any other error an idempotent producer sends nothing more.
_HARMLESS = (KafkaTimeoutError, MessageSizeTooLargeError)

_Outcome = asyncio.Future[Any]

_log = structlog.get_logger(__name__)


class KafkaPublisher:
    """Sends envelopes in order per key, and gives up a producer that an error has made useless.

    While the broker is away a caller gives up and comes back with the same messages. The producer still holds what it
    was given and sends it in order when the broker returns, so those are waited for and not handed over again.
    """

    def __init__(self, bootstrap: str, client_id: str) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._producer: AIOKafkaProducer | None = None
        self._open: dict[tuple[str, str], _Outcome] = {}

    async def start(self) -> None:
        """Connect. Raises aiokafka.errors.KafkaConnectionError where no broker answers."""
        if self._producer is not None:
            return
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            max_request_size=LARGEST_MESSAGE,
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def close(self) -> None:
        """Send what is still held, for 5 s at most, and disconnect."""
        producer, self._producer = self._producer, None
        self._open.clear()
        if producer is not None:
            stopping = asyncio.create_task(producer.stop(), name="kafka-producer-stop")
            await asyncio.wait([stopping], timeout=_STOP_TIMEOUT_S)
            if not stopping.done():
                # A broker that is away takes nothing more; the outbox has it all.
                stopping.cancel()
                with contextlib.suppress(asyncio.CancelledError, KafkaError):
                    await stopping
                await producer.client.close()

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Returns when every in-sync replica has all; raises the first error otherwise."""
        await self.start()
        handed_over: list[tuple[tuple[str, str], _Outcome]] = []
        try:
            for envelope in envelopes:
                key = envelope.topic, envelope.id
                known = self._open.pop(key) if key in self._open else None
                handed_over.append((key, known or await self._hand_over(envelope)))
            if handed_over:
                # Not gather: being cancelled here must not cancel what the producer will send in any case.
                await asyncio.wait([outcome for _, outcome in handed_over])
            for _, outcome in handed_over:
                outcome.result()
        except KafkaError as error:
            self._remember(handed_over)
            await self._after(error)
            raise
        except asyncio.CancelledError:
            self._remember(handed_over)
            raise

    async def _hand_over(self, envelope: Envelope) -> _Outcome:
        if self._producer is None:
            raise KafkaTimeoutError("the producer was given up meanwhile")
        outcome: _Outcome = await self._producer.send(
            envelope.topic, value=envelope.payload, key=envelope.key.encode(), headers=headers_of(envelope)
        )
        outcome.add_done_callback(_seen)
        return outcome

    def _remember(self, handed_over: Sequence[tuple[tuple[str, str], _Outcome]]) -> None:
        """Keep what is on its way, or arrived, for the caller who comes back with it."""
        kept = [(key, outcome) for key, outcome in handed_over if not outcome.done() or outcome.exception() is None]
        self._open.update(kept)
        while len(self._open) > _REMEMBERED:
            self._open.pop(next(iter(self._open)))

    async def _after(self, error: KafkaError) -> None:
        if not isinstance(error, _HARMLESS):
            _log.warning("kafka_producer_given_up", error=f"{type(error).__name__}: {error}")
            await self.close()


def _seen(outcome: _Outcome) -> None:
    """Take note of an error that nobody waits for any more, so that it is not reported as overlooked."""
    if not outcome.cancelled():
        outcome.exception()
