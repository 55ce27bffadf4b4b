"""Stored settings: what is set at one scope, version by version, and which of it counts at a moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from lace_control.domain.quotas import Quotas
from lace_core.canonical import hash_json
from lace_core.errors import LaceError, Reason
from lace_core.settings import SETTINGS, Layer, Snapshot

ScopeType = Literal["system", "tenant", "user"]

# The owner of the system's settings, in the column that names a tenant; no tenant has this id.
SYSTEM_TENANT = "system"


@dataclass(frozen=True)
class Scope:
    """Where settings are set: for the system (empty id), a tenant or a user; `tenant_id` is who owns the rows."""

    tenant_id: str
    scope_type: ScopeType
    scope_id: str

    @classmethod
    def of_system(cls) -> Scope:
        """The system."""
        return cls(SYSTEM_TENANT, "system", "")

    @classmethod
    def of_tenant(cls, tenant_id: str) -> Scope:
        """A tenant."""
        return cls(tenant_id, "tenant", tenant_id)

    @classmethod
    def of_user(cls, tenant_id: str, principal_id: str) -> Scope:
        """A user of a tenant."""
        return cls(tenant_id, "user", principal_id)


@dataclass(frozen=True)
class Entry:
    """One value: it counts from `effective_from` until before `effective_to` (None: for good).

    Where several entries of one version count for a key, the highest priority wins, then the latest beginning.
    """

    setting_id: str
    key: str
    value: Any
    effective_from: datetime
    effective_to: datetime | None = None
    priority: int = 0

    def counts_at(self, moment: datetime) -> bool:
        """Whether the moment lies in its time."""
        return self.effective_from <= moment and (self.effective_to is None or moment < self.effective_to)


@dataclass(frozen=True)
class StoredSettings:
    """One version of what is set at a scope; version 0 is the scope where nothing was ever set."""

    scope: Scope
    version: int = 0
    updated_by: str = ""
    updated_at: datetime | None = None
    entries: Sequence[Entry] = ()

    def values_at(self, moment: datetime) -> dict[str, Any]:
        """The values that count, by key in order."""
        counting = sorted(
            (entry for entry in self.entries if entry.counts_at(moment)),
            key=lambda entry: (entry.key, entry.priority, entry.effective_from),
        )
        return {entry.key: entry.value for entry in counting}

    def layer_at(self, moment: datetime) -> Layer:
        """The same as a layer of the resolution; values that the registry no longer allows raise SETTING_INVALID."""
        values = {
            key: SETTINGS[key].check(value)
            for key, value in self.values_at(moment).items()
            # A setting that a newer release has done away with is history, not a fault.
            if key in SETTINGS
        }
        return Layer(self.scope.scope_type, values, self.version)


@dataclass(frozen=True)
class SettingsView:
    """What a reader is shown of a scope's settings; `etag` names the version."""

    scope_type: ScopeType
    scope_id: str
    values: Mapping[str, Any]
    version: int
    etag: str
    updated_by: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True)
class ResolvedSettings:
    """A snapshot and where it is kept, and what the tenant may use at once.

    The address is empty for services, which pin none, and so are their quotas.
    """

    snapshot: Snapshot
    settings_uri: str
    quotas: Quotas = field(default_factory=lambda: Quotas(""))


def view_at(stored: StoredSettings, moment: datetime) -> SettingsView:
    """What the scope's settings are at that moment."""
    scope = stored.scope
    return SettingsView(
        scope_type=scope.scope_type,
        scope_id=scope.scope_id,
        values=stored.values_at(moment),
        version=stored.version,
        etag=etag_of(stored),
        updated_by=stored.updated_by,
        updated_at=stored.updated_at,
    )


def etag_of(stored: StoredSettings) -> str:
    """The name of a version: short, and another for every scope and version."""
    scope = stored.scope
    return hash_json([scope.tenant_id, scope.scope_type, scope.scope_id, stored.version])[:20]


def require_etag(stored: StoredSettings, etag: str) -> None:
    """Raises ETAG_MISMATCH where a version was named and it is not the newest; the empty text names any."""
    if etag and etag != etag_of(stored):
        raise LaceError(Reason.ETAG_MISMATCH, "The settings changed since you read them; read them again.")


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What a write changed, for the audit log: by key the value before and after, None where there was none."""
    keys = sorted({*before, *after})
    return {key: [before.get(key), after.get(key)] for key in keys if before.get(key) != after.get(key)}


def value_of(key: str, layers: Iterable[Layer], stored: Iterable[StoredSettings], moment: datetime) -> Any:
    """What one setting comes to: the process's layers, weakest first, and over them what is stored.

    Nothing but this setting is looked at, so that a fault in another one locks nobody out. Raises SETTING_INVALID.
    """
    value = SETTINGS[key].default
    for values in (*(layer.values for layer in layers), *(settings.values_at(moment) for settings in stored)):
        value = values.get(key, value)
    return SETTINGS[key].check(value)
