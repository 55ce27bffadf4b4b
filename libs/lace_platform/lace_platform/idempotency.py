"""A mutation's effect happens once per Idempotency-Key; whoever repeats the request gets the stored answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jsonpatch
import orjson
from sqlalchemy import Row

from lace_core.canonical import sha256_hex
from lace_core.errors import Detail, LaceError, Reason
from lace_platform.db.tables import InfrastructureTables
from lace_platform.db.transaction import Transaction

if TYPE_CHECKING:
    from lace_platform.rpc import CallContext

KEPT = timedelta(hours=24)
_LONGEST_KEY = 255
LARGEST_REQUEST_KEPT = 64 << 10
_MOST_DIFFERENCES = 50
_LONGEST_DIFFERENCE = 500

# Every session's search_path is its service's schema (db/database.py), so the statements need not name it.
_SELECT = """
    SELECT principal_id, request_hash, request_json, response FROM idempotency_keys
    WHERE tenant_id = :tenant_id AND route = :route AND key = :key AND expires_at > now()
"""
# The conflict is with an expired row that was not yet deleted.
_UPSERT = """
    INSERT INTO idempotency_keys
        (tenant_id, route, key, principal_id, request_hash, request_json, response, expires_at)
    VALUES (:tenant_id, :route, :key, :principal_id, :request_hash, :request_json, :response, now() + :kept)
    ON CONFLICT (tenant_id, route, key) DO UPDATE SET
        principal_id = excluded.principal_id, request_hash = excluded.request_hash,
        request_json = excluded.request_json, response = excluded.response,
        created_at = clock_timestamp(), expires_at = excluded.expires_at
"""


async def once(
    tx: Transaction,
    tables: InfrastructureTables,
    call: CallContext,
    route: str,
    request: bytes,
    effect: Callable[[], Awaitable[bytes]],
    *,
    remember: Callable[[bytes], bytes] | None = None,
    keep_request: bool = True,
) -> tuple[bytes, bool]:
    """Run the effect and store its answer in this transaction, or give the stored answer: (response, replayed).

    `request` is the canonical JSON of the request, `response` the serialized answer; `remember` turns the answer
    into what is stored and replayed, without its secrets. Does not commit; a failed effect leaves no trace, so
    that its request can be sent again. Keys are per tenant and route, and are kept for 24 hours.

    Raises LaceError IDEMPOTENCY_KEY_REQUIRED, IDEMPOTENCY_KEY_INVALID, IDEMPOTENCY_IN_PROGRESS (retryable), or
    IDEMPOTENCY_KEY_REUSED, whose details are the RFC 6902 operations from the first request to this one.
    """
    # A service's identity has no tenant of its own: it acts in the transaction's.
    scope = {"tenant_id": call.tenant_id or tx.tenant_id, "route": route, "key": checked_key(call.idempotency_key)}
    await _lock(tx, _lock_name(tables, scope))
    stored = await tx.fetch_one(_SELECT, scope)
    if stored is not None:
        refuse_another(stored, call.principal_id, request)
        return bytes(stored.response), True
    response = await effect()
    record = {
        "principal_id": call.principal_id,
        "request_hash": sha256_hex(request),
        "request_json": request if keep_request and len(request) <= LARGEST_REQUEST_KEPT else None,
        "response": response if remember is None else remember(response),
        "kept": KEPT,
    }
    await tx.execute(_UPSERT, {**scope, **record})
    return response, False


def checked_key(key: str | None) -> str:
    """The key; raises LaceError IDEMPOTENCY_KEY_REQUIRED, IDEMPOTENCY_KEY_INVALID."""
    if not key:
        raise LaceError(Reason.IDEMPOTENCY_KEY_REQUIRED, "Send an Idempotency-Key with every mutation.")
    if len(key) > _LONGEST_KEY or not key.isprintable():
        raise LaceError(
            Reason.IDEMPOTENCY_KEY_INVALID,
            f"An Idempotency-Key is at most {_LONGEST_KEY} printable characters.",
            details=[Detail("idempotency_key", f"has {len(key)} characters")],
        )
    return key


@dataclass(frozen=True, kw_only=True)
class FirstAnswer:
    """The record of an answered request, for a statement that writes many of them with what they caused.

    Such a statement holds what `once` holds: pg_try_advisory_xact_lock(hashtextextended(lock, 0)). It may write the
    record only where it got the lock and no record of the same tenant, route and key is there.
    """

    lock: str
    tenant_id: str
    route: str
    key: str
    principal_id: str
    request_hash: str
    request_json: bytes | None
    response: bytes


def first_answer(
    tables: InfrastructureTables, call: CallContext, route: str, request: bytes, response: bytes
) -> FirstAnswer:
    """The record that `once` would write; raises LaceError IDEMPOTENCY_KEY_REQUIRED, IDEMPOTENCY_KEY_INVALID."""
    scope = {"tenant_id": call.tenant_id, "route": route, "key": checked_key(call.idempotency_key)}
    return FirstAnswer(
        lock=_lock_name(tables, scope),
        **scope,
        principal_id=call.principal_id,
        request_hash=sha256_hex(request),
        request_json=request if len(request) <= LARGEST_REQUEST_KEPT else None,
        response=response,
    )


def in_progress() -> LaceError:
    """For who sends a key again whose first request is not answered yet."""
    return LaceError(
        Reason.IDEMPOTENCY_IN_PROGRESS,
        "The first request with this Idempotency-Key is still running.",
        retryable=True,
        retry_after=1.0,
    )


def _lock_name(tables: InfrastructureTables, scope: dict[str, str]) -> str:
    return "\x1f".join((tables.idempotency_keys.fullname, *scope.values()))


async def _lock(tx: Transaction, name: str) -> None:
    """Hold the key until the end of the transaction; the one who finds it held is told so, and does not wait."""
    # Its own statement: the select after it then sees what the last holder committed.
    row = await tx.fetch_one("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0)) AS free", {"name": name})
    if row is None or not row.free:
        raise in_progress()


def refuse_another(stored: Row[Any], principal_id: str, request: bytes) -> None:
    """Raises LaceError IDEMPOTENCY_KEY_REUSED where the stored row of a key is another principal's or request's."""
    if stored.principal_id != principal_id:
        # Nothing of the other's request is shown.
        details = [Detail("idempotency_key", "was used by another principal of this tenant")]
        raise LaceError(Reason.IDEMPOTENCY_KEY_REUSED, "Another principal used this Idempotency-Key.", details=details)
    if stored.request_hash != sha256_hex(request):
        raise LaceError(
            Reason.IDEMPOTENCY_KEY_REUSED,
            "This Idempotency-Key was used with another request; the details say how they differ.",
            details=differences(stored.request_json, request),
        )


def differences(first: bytes | None, second: bytes) -> list[Detail]:
    """The RFC 6902 operations that turn the first JSON into the second, one detail each; None is one not kept."""
    if first is None or len(second) > LARGEST_REQUEST_KEPT:
        return [Detail("/", "the requests differ; the first is not kept for comparison")]
    operations = jsonpatch.make_patch(orjson.loads(first), orjson.loads(second)).patch
    return [
        Detail(operation["path"], orjson.dumps(operation).decode()[:_LONGEST_DIFFERENCE])
        for operation in operations[:_MOST_DIFFERENCES]
    ]
