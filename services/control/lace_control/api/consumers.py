"""What control takes from the bus: what others did on somebody's behalf, and the dead letters of all topics."""

from __future__ import annotations

from lace.control.v1 import control_pb2 as wire
from lace_control.api import convert
from lace_control.app.audit import record_audit_entry
from lace_control.app.dead_letters import record_dead_letter
from lace_control.app.ports import Control
from lace_core.topics import TOPICS
from lace_platform.bus import Bus, Consumption, Envelope
from lace_platform.bus.envelope import DEAD_LETTER_SUFFIX
from lace_proto.json import from_json

TOPIC = "audit.recorded"
GROUP = "control"
DEAD_LETTER_TOPICS = tuple(name + DEAD_LETTER_SUFFIX for name, topic in TOPICS.items() if topic.groups)
DEAD_LETTER_GROUP = "control.dead_letters"


async def consume_audit(bus: Bus, control: Control) -> Consumption:
    """Record what other services did, until the caller closes what it is given; an entry's id makes it be once.

    What cannot be read raises LaceError, so that the bus keeps it as a dead letter with the cause.
    """

    async def on_recorded(envelope: Envelope) -> None:
        entry = convert.entry_of_wire(from_json(wire.AuditEntry, envelope.payload))
        # In the log of the tenant that the envelope vouches for.
        await record_audit_entry(control, envelope.tenant_id, entry)

    return await bus.subscribe([TOPIC], GROUP, on_recorded)


async def consume_dead_letters(bus: Bus, control: Control) -> Consumption:
    """Keep every dead letter, until the caller closes what it is given."""

    async def on_dead_letter(envelope: Envelope) -> None:
        await record_dead_letter(control, convert.dead_letter_of(envelope))

    return await bus.subscribe(DEAD_LETTER_TOPICS, DEAD_LETTER_GROUP, on_dead_letter)
