"""The labels that a caller holds: those granted, its own, and never another's own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lace_core.errors import LaceError, Reason
from lace_core.labels import owner_among, owner_label
from lace_platform.auth import Identity
from lace_platform.rpc import CallContext

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def call(*labels: str) -> CallContext:
    identity = Identity(
        "prn_1", "ten_1", frozenset(), frozenset(), frozenset(labels), "user", None, None, NOW, NOW, 0
    )  # fmt: skip
    return CallContext(identity, "req_1", "cor_1")


def test_a_caller_holds_its_own_label_whatever_the_identity_says() -> None:
    assert call().labels == {"owner:prn_1"}
    assert call("x").labels == {"x", "owner:prn_1"}
    assert call("x", "owner:prn_2", "owner:").labels == {"x", "owner:prn_1"}


def test_where_nobody_calls_nothing_is_held() -> None:
    with pytest.raises(LaceError) as refused:
        _ = CallContext(None, "req_1", "cor_1").labels
    assert refused.value.reason is Reason.TOKEN_MISSING


def test_the_owner_is_found_among_labels() -> None:
    assert owner_among(["a", owner_label("prn_1")]) == "owner:prn_1"
    assert owner_among(["a", "owners"]) == ""
