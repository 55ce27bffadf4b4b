"""Seals of records: HMAC-SHA256 under keys that the process was given, each with an id."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping

from prometheus_client import Counter

from lace_core.errors import Detail, LaceError, Reason

TAMPERED = Counter("record_tampered_total", "Rows that do not match their seal, by table.", ["table"])


_DERIVED = "k0"
_ID = re.compile("[a-z][a-z0-9_]{0,31}")
_SHORTEST = 16


def record_keys(given: str, service_secret: str) -> dict[str, bytes]:
    """The keys by id, the newest last: k0, derived from the installation's secret, then those given as id=secret,….

    k0 may be given too, with the secret that it is derived from: what an installation was before its secret was
    changed. Raises LaceError SETTING_INVALID.
    """
    named = _named(given)
    keys = {key_id: secret.encode() for key_id, secret in named.items()}
    derived = hmac.digest(first_secret(given, service_secret).encode(), b"lace record seals", "sha256")
    return {**keys, _DERIVED: derived} if _DERIVED in keys else {_DERIVED: derived, **keys}


def first_secret(given: str, service_secret: str) -> str:
    """The secret that templates' first keys are derived from: that of k0 where it is given, else the installation's.

    Raises LaceError SETTING_INVALID.
    """
    return _named(given).get(_DERIVED, service_secret)


def _named(given: str) -> dict[str, str]:
    named: dict[str, str] = {}
    for pair in filter(None, (each.strip() for each in given.split(","))):
        key_id, separator, secret = pair.partition("=")
        if not separator or not _ID.fullmatch(key_id) or len(secret) < _SHORTEST or key_id in named:
            problem = f"must be id=secret,id=secret; ids are unlike each other, secrets have {_SHORTEST} characters"
            details = [Detail("record_keys", problem)]
            raise LaceError(Reason.SETTING_INVALID, f"record_keys: {problem}.", details=details)
        named[key_id] = secret
    return named


class HmacSeals:
    """See app.templates.ports.Seals; `keys` by id, the newest last."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = dict(keys)
        self.key_id = tuple(keys)[-1]

    def __repr__(self) -> str:
        return f"HmacSeals({', '.join(self._keys)})"

    def seal(self, key_id: str, data: bytes) -> str:
        """Raises KeyError for a key that is not there."""
        return hmac.digest(self._keys[key_id], data, "sha256").hex()


class PrometheusTemplateMetrics:
    """See app.templates.ports.TemplateMetrics."""

    def record_tampered(self, table: str) -> None:
        """Counts a row."""
        TAMPERED.labels(table).inc()
