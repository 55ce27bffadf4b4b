"""Which versions of its models a provider offers, as it was last asked, and for how long that holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from lace_core.canonical import hash_json

_OWN_ETAG = 'W/"lace-'


class VersionsFrom(StrEnum):
    """Where an answer about versions comes from."""

    CACHE = "cache"
    LIVE = "live"


@dataclass(frozen=True)
class OfferedVersions:
    """What a provider says of its models: their names, the current one, and its entity tag (empty without one)."""

    versions: tuple[str, ...]
    current: str
    etag: str = ""


@dataclass(frozen=True)
class ProviderVersions:
    """The cached answer; `etag` is the provider's, or one of ours made of the versions where it gives none."""

    provider: str
    versions: tuple[str, ...]
    current: str
    last_checked_utc: datetime
    expires_at_utc: datetime
    etag: str
    source: VersionsFrom

    def holds_at(self, now: datetime) -> bool:
        """Whether the answer need not be asked for again."""
        return now < self.expires_at_utc

    @property
    def provider_etag(self) -> str:
        """What to send as If-None-Match; empty where the provider gave no tag."""
        return "" if self.etag.startswith(_OWN_ETAG) else self.etag

    def confirmed(self, now: datetime, ttl_s: int) -> ProviderVersions:
        """The same versions, which the provider said are unchanged."""
        until = now + timedelta(seconds=ttl_s)
        return replace(self, last_checked_utc=now, expires_at_utc=until, source=VersionsFrom.LIVE)


def fresh_versions(provider: str, offered: OfferedVersions, now: datetime, ttl_s: int) -> ProviderVersions:
    """What was just heard, sorted and without repetition; it holds for `ttl_s` seconds."""
    versions = tuple(sorted(set(offered.versions)))
    return ProviderVersions(
        provider=provider,
        versions=versions,
        current=offered.current,
        last_checked_utc=now,
        expires_at_utc=now + timedelta(seconds=ttl_s),
        etag=offered.etag or _own_etag(versions, offered.current),
        source=VersionsFrom.LIVE,
    )


def _own_etag(versions: Sequence[str], current: str) -> str:
    return f'{_OWN_ETAG}{hash_json([list(versions), current])[:32]}"'
