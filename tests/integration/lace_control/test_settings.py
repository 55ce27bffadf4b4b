"""Settings over gRPC: who may set what, which layer wins, what a snapshot is worth."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from google.protobuf.struct_pb2 import Struct

from lace.control.v1 import control_pb2 as wire
from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_core.settings import SETTINGS
from lace_platform.clock import utc_now
from lace_platform.ids import new_id
from lace_proto.json import from_python, to_python


def _struct(**values: Any) -> Struct:
    return from_python(Struct, {key.replace("__", "."): value for key, value in values.items()})


async def _put_tenant(installation: Any, actor: Any, etag: str = "", key: str | None = None, **values: Any) -> Any:
    request = wire.PutTenantSettingsRequest(tenant_id=actor.tenant_id, values=_struct(**values), etag=etag)
    with installation.acting(actor, key):
        return await installation.settings.PutTenantSettings(request)


async def _put_user(installation: Any, actor: Any, user_id: str, **values: Any) -> Any:
    with installation.acting(actor):
        return await installation.settings.PutUserSettings(
            wire.PutUserSettingsRequest(user_id=user_id, values=_struct(**values))
        )


async def _put_system(installation: Any, actor: Any, **values: Any) -> Any:
    with installation.acting(actor):
        return await installation.settings.PutSystemSettings(wire.PutSystemSettingsRequest(values=_struct(**values)))


async def _resolve(installation: Any, actor: Any, **overrides: Any) -> tuple[dict[str, Any], dict[str, Any], Any]:
    with installation.acting(actor):
        answer = await installation.settings.ResolveSettings(
            wire.ResolveSettingsRequest(overrides=_struct(**overrides))
        )
    trace = {entry.key: (entry.layer, entry.version) for entry in answer.trace}
    return to_python(answer.values), trace, answer


async def test_each_layer_lies_over_the_one_below(installation: Any) -> None:
    admin = await installation.new_tenant()
    key = "runs.max_nodes"
    values, trace, _ = await _resolve(installation, admin)
    assert (values[key], trace[key]) == (77, ("environment", 0))
    assert trace["runs.max_depth"] == ("default", 0)
    system = await _put_system(installation, installation.admin, runs__max_nodes=100, runs__max_depth=2)
    try:
        values, trace, _ = await _resolve(installation, admin)
        assert (values[key], trace[key]) == (100, ("system", system.version))
        await _put_tenant(installation, admin, runs__max_nodes=200)
        values, trace, _ = await _resolve(installation, admin)
        assert (values[key], trace[key]) == (200, ("tenant", 1))
        await _put_user(installation, admin, admin.principal_id, runs__max_nodes=300)
        values, trace, _ = await _resolve(installation, admin)
        assert (values[key], trace[key]) == (300, ("user", 1))
        values, trace, _ = await _resolve(installation, admin, runs__max_nodes=400)
        assert (values[key], trace[key]) == (400, ("request", 0))
        assert trace["runs.max_depth"] == ("system", system.version)
    finally:
        await _put_system(installation, installation.admin)
    values, trace, _ = await _resolve(installation, admin)
    assert trace["runs.max_depth"] == ("default", 0)


async def test_whole_numbers_stay_whole(installation: Any) -> None:
    admin = await installation.new_tenant()
    view = await _put_tenant(installation, admin, runs__max_nodes=12, compile__targets=["md"], runs__judge=False)
    assert to_python(view.values) == {"compile.targets": ["md"], "runs.judge": False, "runs.max_nodes": 12}
    assert type(to_python(view.values)["runs.max_nodes"]) is int
    values, _, _ = await _resolve(installation, admin)
    assert type(values["runs.max_nodes"]) is int


async def test_a_snapshot_is_kept_and_its_bytes_give_its_hash(installation: Any) -> None:
    admin = await installation.new_tenant()
    _, _, first = await _resolve(installation, admin, runs__max_nodes=31)
    _, _, second = await _resolve(installation, admin, runs__max_nodes=31)
    assert first == second
    assert first.settings_uri == f"lace-artifacts/{admin.tenant_id}/settings/{first.settings_hash}.json"
    assert sha256_hex(await installation.platform.blobs.get(first.settings_uri)) == first.settings_hash
    _, _, other = await _resolve(installation, admin, runs__max_nodes=32)
    assert other.settings_hash != first.settings_hash


async def test_a_put_replaces_all_and_keeps_the_history(installation: Any) -> None:
    admin = await installation.new_tenant()
    await _put_tenant(installation, admin, runs__max_nodes=12)
    await _put_tenant(installation, admin, runs__max_depth=2)
    view = await _put_tenant(installation, admin)
    assert (view.version, to_python(view.values)) == (3, {})
    async with await psycopg.AsyncConnection.connect(installation.config.dsn) as connection:
        rows = await connection.execute(
            "SELECT version, key, value_json, updated_by FROM control.settings WHERE tenant_id = %s ORDER BY version",
            (admin.tenant_id,),
        )
        assert await rows.fetchall() == [
            (1, "runs.max_nodes", 12, admin.principal_id),
            (2, "runs.max_depth", 2, admin.principal_id),
        ]


async def test_an_etag_guards_against_lost_updates(installation: Any) -> None:
    admin = await installation.new_tenant()
    request = wire.GetTenantSettingsRequest(tenant_id=admin.tenant_id)
    with installation.acting(admin):
        unset = await installation.settings.GetTenantSettings(request)
    assert (unset.version, unset.updated_by, unset.HasField("updated_at")) == (0, "", False)
    first = await _put_tenant(installation, admin, unset.etag, runs__max_nodes=12)
    assert first.etag != unset.etag
    with pytest.raises(LaceError) as refused:
        await _put_tenant(installation, admin, unset.etag, runs__max_nodes=13)
    assert refused.value.reason is Reason.ETAG_MISMATCH
    second = await _put_tenant(installation, admin, first.etag, runs__max_nodes=13)
    with installation.acting(admin):
        assert await installation.settings.GetTenantSettings(request) == second


async def test_of_concurrent_writers_with_one_etag_one_wins(installation: Any) -> None:
    admin = await installation.new_tenant()
    base = await _put_tenant(installation, admin, runs__max_nodes=12)
    outcomes = await asyncio.gather(
        *(_put_tenant(installation, admin, base.etag, runs__max_nodes=20 + i) for i in range(6)),
        return_exceptions=True,
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, LaceError)]
    assert len(refused) == 5
    assert {error.reason for error in refused} == {Reason.ETAG_MISMATCH}


async def test_concurrent_writers_without_an_etag_make_one_version_each(installation: Any) -> None:
    admin = await installation.new_tenant()
    views = await asyncio.gather(*(_put_tenant(installation, admin, runs__max_nodes=20 + i) for i in range(6)))
    assert sorted(view.version for view in views) == [1, 2, 3, 4, 5, 6]


async def test_a_repeated_put_gives_the_first_answer(installation: Any) -> None:
    admin = await installation.new_tenant()
    key = new_id("idk")
    first = await _put_tenant(installation, admin, key=key, runs__max_nodes=12)
    await _put_tenant(installation, admin, runs__max_nodes=13)
    assert await _put_tenant(installation, admin, key=key, runs__max_nodes=12) == first


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"runs__max_node": 3}, Reason.SETTING_UNKNOWN),
        ({"runs__max_nodes": 0}, Reason.SETTING_INVALID),
        ({"runs__max_nodes": 2.5}, Reason.SETTING_INVALID),
        ({"runs__max_nodes": "12"}, Reason.SETTING_INVALID),
        ({"runs__lease_ms": 900}, Reason.SETTING_SCOPE_FORBIDDEN),
        ({"dsn": "postgresql://elsewhere"}, Reason.SETTING_SCOPE_FORBIDDEN),
        ({"openai_api_key": "sk"}, Reason.SETTING_SCOPE_FORBIDDEN),
    ],
)
async def test_what_a_setting_cannot_be_is_refused(installation: Any, values: dict[str, Any], reason: Reason) -> None:
    admin = await installation.new_tenant()
    with pytest.raises(LaceError) as refused:
        await _put_tenant(installation, admin, **values)
    assert refused.value.reason is reason
    with installation.acting(admin):
        view = await installation.settings.GetTenantSettings(wire.GetTenantSettingsRequest(tenant_id=admin.tenant_id))
    assert view.version == 0


async def test_each_scope_has_its_writers(installation: Any) -> None:
    admin, member = await installation.new_tenant(), await installation.join("member")
    for actor in (admin, member):
        with pytest.raises(LaceError) as refused:
            await _put_system(installation, actor, runs__max_nodes=5)
        assert refused.value.reason is Reason.PERMISSION_DENIED
    with pytest.raises(LaceError) as refused:
        await _put_tenant(installation, member, runs__max_nodes=5)
    assert refused.value.reason is Reason.PERMISSION_DENIED
    colleague = await installation.join("member")
    with pytest.raises(LaceError) as refused:
        await _put_user(installation, colleague, member.principal_id, runs__max_nodes=5)
    assert refused.value.reason is Reason.PERMISSION_DENIED
    assert (await _put_user(installation, member, member.principal_id, runs__max_nodes=5)).version == 1
    assert (await _put_user(installation, installation.admin, member.principal_id, runs__max_nodes=6)).version == 2


async def test_another_tenant_is_not_told_to_exist(installation: Any) -> None:
    admin, other = await installation.new_tenant(), await installation.new_tenant()
    for tenant_id in (other.tenant_id, "ten_nobody"):
        with installation.acting(admin), pytest.raises(LaceError) as refused:
            await installation.settings.GetTenantSettings(wire.GetTenantSettingsRequest(tenant_id=tenant_id))
        assert refused.value.reason is Reason.TENANT_NOT_FOUND
        request = wire.PutTenantSettingsRequest(tenant_id=tenant_id, values=_struct(runs__max_nodes=5))
        with installation.acting(admin), pytest.raises(LaceError) as refused:
            await installation.settings.PutTenantSettings(request)
        assert refused.value.reason is Reason.TENANT_NOT_FOUND
        with installation.acting(admin), pytest.raises(LaceError) as refused:
            await installation.tenants.GetTenant(wire.GetTenantRequest(tenant_id=tenant_id))
        assert refused.value.reason is Reason.TENANT_NOT_FOUND
    with installation.acting(admin), pytest.raises(LaceError) as refused:
        await installation.settings.GetUserSettings(wire.GetUserSettingsRequest(user_id=other.principal_id))
    assert refused.value.reason is Reason.PRINCIPAL_NOT_FOUND


async def test_the_system_administrator_sets_any_tenants_settings(installation: Any) -> None:
    other = await installation.new_tenant()
    request = wire.PutTenantSettingsRequest(tenant_id=other.tenant_id, values=_struct(runs__max_nodes=5))
    with installation.acting(installation.admin):
        await installation.settings.PutTenantSettings(request)
    values, _, _ = await _resolve(installation, other)
    assert values["runs.max_nodes"] == 5
    with installation.acting(installation.admin), pytest.raises(LaceError) as refused:
        request.tenant_id = "ten_nobody"
        await installation.settings.PutTenantSettings(request)
    assert refused.value.reason is Reason.TENANT_NOT_FOUND


async def test_a_service_resolves_what_holds_for_the_system(installation: Any) -> None:
    values, trace, answer = await _resolve(installation, installation.service)
    assert (values["runs.max_nodes"], trace["runs.max_nodes"]) == (77, ("environment", 0))
    assert answer.settings_uri == ""


async def test_a_service_reads_what_is_stored_for_anybody_and_nobody_else_does(installation: Any) -> None:
    other = await installation.new_tenant()
    await _put_tenant(installation, other, llm__retries=1)
    request = wire.ReadSettingsRequest(tenant_id=other.tenant_id, principal_id=other.principal_id)
    with installation.acting(installation.service):
        told = dict((await installation.settings.ReadSettings(request)).values.items())
    assert told == {"llm.retries": 1}  # what the environment of control says is control's own
    with installation.acting(installation.admin), pytest.raises(LaceError) as refused:
        await installation.settings.ReadSettings(request)
    assert refused.value.reason is Reason.PERMISSION_DENIED


async def test_effective_dates_and_priority_decide_between_stored_values(installation: Any) -> None:
    admin = await installation.new_tenant()
    await _put_tenant(installation, admin, runs__max_nodes=12)
    now, hour = utc_now(), timedelta(hours=1)
    rows = [
        (new_id("set"), 40, 5, now - hour, now + hour),
        (new_id("set"), 50, 9, now - hour - hour, now - hour),
        (new_id("set"), 60, 9, now + hour, None),
        (new_id("set"), 70, 4, now - hour, None),
    ]
    async with await psycopg.AsyncConnection.connect(installation.config.dsn) as connection:
        for setting_id, value, priority, effective_from, effective_to in rows:
            await connection.execute(
                "INSERT INTO control.settings VALUES (%s, %s, 'tenant', %s, 1, 'runs.max_nodes', %s::text::jsonb, %s,"
                " %s, %s, 'operator', now())",
                (setting_id, admin.tenant_id, admin.tenant_id, value, priority, effective_from, effective_to),
            )
    values, trace, _ = await _resolve(installation, admin)
    assert (values["runs.max_nodes"], trace["runs.max_nodes"]) == (40, ("tenant", 1))


async def test_the_life_of_identities_and_tokens_is_a_setting(installation: Any) -> None:
    admin = await installation.new_tenant()
    await _put_tenant(installation, admin, auth__token_ttl_days=7)
    with installation.acting(admin):
        made = await installation.auth.CreateToken(wire.CreateTokenRequest(name="ci"))
    life = made.token.expires_at.ToDatetime() - made.token.created_at.ToDatetime()
    assert life == timedelta(days=7)
    await _put_system(installation, installation.admin, auth__identity_ttl_s=45)
    try:
        identity = installation.platform.verifier.verify((await installation.login(made.secret)).signed)
    finally:
        await _put_system(installation, installation.admin)
    assert identity.expires_at - identity.issued_at == timedelta(seconds=45)


async def test_every_setting_is_defined_and_no_secret_shown(installation: Any) -> None:
    with installation.acting(installation.admin):
        answer = await installation.settings.ListSettingDefinitions(wire.ListSettingDefinitionsRequest())
    assert [definition.key for definition in answer.definitions] == sorted(SETTINGS)
    shown = {definition.key: definition for definition in answer.definitions}
    assert to_python(shown["runs.max_nodes"])["default_value"] == 60
    assert (shown["runs.max_nodes"].minimum, shown["runs.max_nodes"].maximum) == (1, 2000)
    assert shown["compile.targets"].choices == ["md", "docx", "pdf", "owl"]
    assert not shown["runs.judge"].HasField("minimum")
    assert to_python(shown["service_secret"])["default_value"] == ""
    assert installation.config.service_secret.encode() not in answer.SerializeToString()


async def test_a_change_is_in_the_audit_log(installation: Any) -> None:
    admin = await installation.new_tenant()
    await _put_tenant(installation, admin, runs__max_nodes=12)
    await _put_tenant(installation, admin, runs__max_nodes=13, runs__max_depth=2)
    with installation.acting(admin):
        entries = (await installation.audit.ListAuditEntries(wire.ListAuditEntriesRequest(page_size=1))).entries
    [entry] = entries
    assert (entry.action, entry.outcome, entry.principal_id) == ("settings.put", "done", admin.principal_id)
    assert entry.subject == f"settings/tenant/{admin.tenant_id}"
    assert to_python(entry.details) == {
        "version": 2,
        "changes": {"runs.max_nodes": [12, 13], "runs.max_depth": [None, 2]},
    }
    assert entry.correlation_id


async def test_every_change_is_told_to_who_remembers_settings(installation: Any) -> None:
    admin = await installation.new_tenant()
    listener = installation.platform.listener("control")
    changes = listener.subscribe("control_settings")
    await listener.start()
    try:
        assert await changes.wait(5), "listening has begun"
        await _put_tenant(installation, admin, runs__max_nodes=12)
        assert await changes.wait(5)
        with installation.acting(admin):
            await installation.settings.ResolveSettings(wire.ResolveSettingsRequest())
        assert not await changes.wait(0.05), "a look changes nothing"
    finally:
        await listener.close()
