"""What was done on somebody's behalf, for the audit log: it leaves with the commit of what was done, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lace_core.ids import derive
from lace_runs.app.ports import Caller, Message

TOPIC = "audit.recorded"


def entry(caller: Caller, action: str, subject: str, details: Mapping[str, Any], now: datetime) -> Message:
    """The message that records it; its id is that of the mutation, so that a second one changes nothing."""
    audit_id = derive("aud", caller.tenant_id, action, subject, caller.principal_id, caller.idempotency_key)
    payload = {
        "audit_id": audit_id,
        "occurred_at": now.isoformat(),
        "principal_id": caller.principal_id,
        "action": action,
        "subject": subject,
        "outcome": "done",
        "correlation_id": caller.correlation_id,
        "details": dict(details),
    }
    return Message(audit_id, TOPIC, audit_id, payload)
