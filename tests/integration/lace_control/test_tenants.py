"""How an installation begins, and what keeps tenants apart."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import ProgrammingError

from lace.control.v1 import control_pb2 as wire
from lace_control.adapters.postgres_units import PostgresUnits
from lace_control.adapters.signing_keys import open_signer
from lace_control.app.ports import Control
from lace_control.app.tenants import bootstrap
from lace_control.domain.access import Caller
from lace_core.errors import LaceError, Reason
from lace_core.labels import owner_label
from lace_platform.clock import utc_now
from lace_platform.db.database import Database, SystemDatabase
from lace_platform.ids import new_id

_SERVICE = Caller("service:standalone", "", frozenset({"service"}), frozenset(), "service", "req_1")
_OF_A_TENANT = (
    "tenants",
    "principals",
    "service_tokens",
    "settings_versions",
    "settings",
    "settings_snapshots",
    "tenant_quotas",
    "audit_log",
    "revocations",
    "outbox_events",
    "job_executions",
    "idempotency_keys",
)
_ONLY_GROWING = ("settings_versions", "settings", "settings_snapshots", "audit_log", "revocations")


class _NoSnapshots:
    async def put(self, tenant_id: str, settings_hash: str, canonical: bytes) -> str:
        raise AssertionError("no snapshot is made here")


def _databases(postgres: Any, dsn: str) -> tuple[Database, SystemDatabase]:
    role, system = "lace_control", "lace_control_system"
    return (
        Database(dsn, schema="control", role=role, password=postgres.password(role), pool_size=2),
        SystemDatabase(dsn, schema="control", role=system, password=postgres.password(system), pool_size=2),
    )


async def test_replicas_that_start_together_begin_one_installation(postgres: Any, new_database: Any) -> None:
    dsn = await new_database()
    async with AsyncExitStack() as stack:

        async def replica(number: int) -> tuple[Any, str]:
            database, system = _databases(postgres, dsn)
            stack.push_async_callback(database.close)
            stack.push_async_callback(system.close)
            signer = await open_signer(system, "the services' secret")
            random = bytes([number]) * 25
            control = Control(
                PostgresUnits(database, system),
                signer,
                _NoSnapshots(),
                (),
                "the services' secret",
                utc_now,
                new_id,
                lambda _size: random,
            )
            begun = await bootstrap(control, _SERVICE, "default", "admin")
            return begun, signer.signer.key_id

        outcomes = await asyncio.gather(*(replica(number) for number in range(4)))
    begun = [outcome for outcome, _ in outcomes]
    assert len({one.tenant for one in begun}) == len({one.principal for one in begun}) == 1
    assert len([one.secret for one in begun if one.secret]) == 1
    assert len({key_id for _, key_id in outcomes}) == 1


async def test_a_changed_secret_retires_the_old_key_and_still_publishes_it(postgres: Any, new_database: Any) -> None:
    database, system = _databases(postgres, await new_database())
    try:
        first = await open_signer(system, "one secret")
        again = await open_signer(system, "one secret")
        changed = await open_signer(system, "another secret")
        with pytest.raises(ValueError, match="empty"):
            await open_signer(system, "")
    finally:
        await database.close()
        await system.close()
    assert first.signer.key_id == again.signer.key_id != changed.signer.key_id
    assert [key.key_id for key in changed.verification_keys()] == [changed.signer.key_id, first.signer.key_id]


async def test_a_later_bootstrap_tells_the_tenant_and_no_secret(installation: Any) -> None:
    with installation.acting(installation.service):
        answer = await installation.tenants.Bootstrap(
            wire.BootstrapRequest(tenant_name="other", principal_name="other")
        )
    assert answer.secret == ""
    assert (answer.tenant.tenant_id, answer.tenant.name) == (installation.admin.tenant_id, "default")
    assert answer.principal.principal_id == installation.admin.principal_id
    assert set(answer.principal.roles) == {"system_admin", "tenant_admin"}


async def test_bootstrap_is_for_services(installation: Any) -> None:
    for actor, reason in ((installation.admin, Reason.PERMISSION_DENIED), (None, Reason.TOKEN_MISSING)):
        with installation.acting(actor), pytest.raises(LaceError) as refused:
            await installation.tenants.Bootstrap(wire.BootstrapRequest(tenant_name="a", principal_name="b"))
        assert refused.value.reason is reason


async def test_only_the_system_administrator_makes_tenants(installation: Any) -> None:
    admin = await installation.new_tenant()
    with installation.acting(admin), pytest.raises(LaceError) as refused:
        await installation.tenants.CreateTenant(wire.CreateTenantRequest(name="more"))
    assert refused.value.reason is Reason.PERMISSION_DENIED
    with installation.acting(admin):
        own = await installation.tenants.GetTenant(wire.GetTenantRequest(tenant_id=admin.tenant_id))
    assert own.name == "another"


async def test_nobody_is_granted_the_label_of_an_owner(installation: Any) -> None:
    asked = wire.CreatePrincipalRequest(name="x", labels=["secret", owner_label("prn_someone")])
    with installation.acting(installation.admin), pytest.raises(LaceError) as refused:
        await installation.tenants.CreatePrincipal(asked)
    assert refused.value.reason is Reason.PERMISSION_DENIED


async def test_a_principal_is_a_member_where_nothing_is_said(installation: Any) -> None:
    key = new_id("idk")
    made = []
    for _ in range(2):
        with installation.acting(installation.admin, key):
            made.append(
                await installation.tenants.CreatePrincipal(wire.CreatePrincipalRequest(name="x", labels=["secret"]))
            )
    assert made[0] == made[1]
    assert (made[0].roles, made[0].labels) == (["member"], ["secret"])
    with installation.acting(installation.admin), pytest.raises(LaceError) as refused:
        await installation.auth.CreateToken(wire.CreateTokenRequest(name="x", principal_id="prn_nobody"))
    assert refused.value.reason is Reason.PRINCIPAL_NOT_FOUND


@pytest.mark.parametrize("table", _OF_A_TENANT)
async def test_row_level_security_holds_where_a_query_forgets_the_tenant(
    installation: Any, postgres: Any, table: str
) -> None:
    other = await installation.new_tenant()
    with installation.acting(other):
        await installation.tenants.CreatePrincipal(wire.CreatePrincipalRequest(name="x"))
    database, system = _databases(postgres, installation.config.dsn)
    try:
        async with database.transaction(installation.admin.tenant_id) as tx:
            rows = await tx.fetch_all(f"SELECT DISTINCT tenant_id FROM control.{table}")
            assert {row.tenant_id for row in rows} <= {installation.admin.tenant_id, "system"}
        async with database.transaction("ten_nobody") as tx:
            rows = await tx.fetch_all(f"SELECT DISTINCT tenant_id FROM control.{table}")
            assert {row.tenant_id for row in rows} <= {"system"}
    finally:
        await database.close()
        await system.close()


async def test_no_tenant_writes_for_another_or_for_the_system(installation: Any, postgres: Any) -> None:
    database, system = _databases(postgres, installation.config.dsn)
    statement = """
        INSERT INTO control.settings_versions VALUES (:tenant_id, :scope_type, :tenant_id, 99, 'x', now())
    """
    try:
        for tenant_id, scope_type in (("ten_other", "tenant"), ("system", "system")):
            async with database.transaction(installation.admin.tenant_id) as tx:
                with pytest.raises(ProgrammingError, match="row-level security"):
                    await tx.execute(statement, {"tenant_id": tenant_id, "scope_type": scope_type})
        async with database.transaction(installation.admin.tenant_id) as tx:
            with pytest.raises(ProgrammingError, match="permission denied"):
                await tx.fetch_all("SELECT * FROM control.signing_keys")
    finally:
        await database.close()
        await system.close()


@pytest.mark.parametrize("table", _ONLY_GROWING)
async def test_history_cannot_be_rewritten(installation: Any, postgres: Any, table: str) -> None:
    """Neither by the service's roles, which lack the right, nor by the administrator, whom the trigger stops."""
    database, system = _databases(postgres, installation.config.dsn)
    changes = (f"UPDATE control.{table} SET tenant_id = 'x'", f"DELETE FROM control.{table}")
    try:
        for change in changes:
            async with database.transaction(installation.admin.tenant_id) as tx:
                with pytest.raises(ProgrammingError, match="permission denied"):
                    await tx.execute(change)
            async with system.transaction() as tx:
                with pytest.raises(ProgrammingError, match="permission denied"):
                    await tx.execute(change)
    finally:
        await database.close()
        await system.close()


@pytest.mark.parametrize("change", ["UPDATE control.audit_log SET action = 'x'", "DELETE FROM control.audit_log"])
async def test_not_even_the_owner_changes_the_audit_log(installation: Any, change: str) -> None:
    async with await psycopg.AsyncConnection.connect(installation.config.dsn) as owner:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="never changed"):
            await owner.execute(change.encode())
        await owner.rollback()
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="never changed"):
            await owner.execute("TRUNCATE control.audit_log")


async def test_a_service_records_an_entry_once(installation: Any) -> None:
    admin = await installation.new_tenant()
    entry = wire.AuditEntry(
        audit_id=new_id("aud"), principal_id=admin.principal_id, action="run.cancel", subject="run_1", outcome="done"
    )
    entry.occurred_at.FromDatetime(utc_now())
    entry.details.update({"reason": "asked"})
    request = wire.RecordAuditEntryRequest(tenant_id=admin.tenant_id, entry=entry)
    for _ in range(2):
        with installation.acting(installation.service):
            kept = await installation.audit.RecordAuditEntry(request)
        assert kept == entry
    with installation.acting(admin):
        listed = (await installation.audit.ListAuditEntries(wire.ListAuditEntriesRequest())).entries
    assert [found for found in listed if found.action == "run.cancel"] == [entry]
    with installation.acting(admin), pytest.raises(LaceError) as refused:
        await installation.audit.RecordAuditEntry(request)
    assert refused.value.reason is Reason.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"tenant_id": "ten_nobody"}, Reason.TENANT_NOT_FOUND),
        ({"outcome": "maybe"}, Reason.INVALID_ARGUMENT),
        ({"occurred_at": None}, Reason.INVALID_ARGUMENT),
    ],
)
async def test_a_bad_entry_is_refused(installation: Any, changed: dict[str, Any], reason: Reason) -> None:
    entry = wire.AuditEntry(action="x", subject="y", outcome=changed.get("outcome", "done"))
    if "occurred_at" not in changed:
        entry.occurred_at.FromDatetime(utc_now())
    request = wire.RecordAuditEntryRequest(
        tenant_id=changed.get("tenant_id", installation.admin.tenant_id), entry=entry
    )
    with installation.acting(installation.service), pytest.raises(LaceError) as refused:
        await installation.audit.RecordAuditEntry(request)
    assert refused.value.reason is reason


async def test_the_audit_log_is_listed_in_pages(installation: Any) -> None:
    admin = await installation.new_tenant()
    for _ in range(3):
        with installation.acting(admin):
            await installation.tenants.CreatePrincipal(wire.CreatePrincipalRequest(name="x"))
    seen: list[Any] = []
    token = ""
    while True:
        with installation.acting(admin):
            page = await installation.audit.ListAuditEntries(
                wire.ListAuditEntriesRequest(page_size=2, page_token=token)
            )
        seen.extend(page.entries)
        token = page.next_page_token
        if not token:
            break
    assert [entry.action for entry in seen] == ["principal.create"] * 3
    assert [entry.audit_id for entry in seen] == sorted((entry.audit_id for entry in seen), reverse=True)
