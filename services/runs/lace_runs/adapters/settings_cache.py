"""Resolved settings, remembered until control says that some have changed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol

import orjson

from lace_platform.db.listener import Subscription
from lace_platform.rpc import current_call
from lace_runs.app.ports import Resolved

# How long a value may stand that control has not taken back: settings have times from which on they hold, and a
# notification can be lost with the connection.
_GOOD_FOR_S = 1.0
_MOST = 1000


class WithoutPolicy(Protocol):
    """Resolves settings for the caller of the call under way, before any policy."""

    async def resolve(self, overrides: Mapping[str, Any]) -> Resolved:
        """Raises LaceError SETTING_*."""


class CachedSettings:
    """See WithoutPolicy. `changes` is woken, on SETTINGS_CHANGED, after each change of settings or quotas."""

    def __init__(self, settings: WithoutPolicy, changes: Subscription) -> None:
        self._settings = settings
        self._changes = changes
        self._known: dict[tuple[str, str, bytes], tuple[Resolved, float]] = {}

    async def resolve(self, overrides: Mapping[str, Any]) -> Resolved:
        """Raises LaceError SETTING_*."""
        call = current_call()
        if call.identity is None:  # under a run's grant, which says only to control whose it is
            return await self._settings.resolve(overrides)
        key = (call.tenant_id, call.principal_id, orjson.dumps(dict(overrides), option=orjson.OPT_SORT_KEYS))
        self._forget_changed()
        known, until = self._known.get(key, (None, 0.0))
        if known is not None and time.monotonic() < until:
            return known
        asked_at = time.monotonic()
        found = await self._settings.resolve(overrides)
        if not self._forget_changed():  # it may have been read before a change that came meanwhile
            self._known[key] = (found, asked_at + _GOOD_FOR_S)
        return found

    def _forget_changed(self) -> bool:
        if changed := self._changes.take() or len(self._known) >= _MOST:
            self._known.clear()
        return changed
