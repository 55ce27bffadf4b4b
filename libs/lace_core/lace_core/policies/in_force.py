"""A policy with all that it extends as one value: what a run is pinned to, and what decides about a document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from lace_core.ir import Constraints

# Under this key a run's pinned settings hold the policy; no setting has a name without a dot.
SETTINGS_KEY = "policy"


class Link(Struct, frozen=True):
    """A version of a policy, by the SHA-256 of its text."""

    policy: str
    version: int
    sha256: str

    @property
    def name(self) -> str:
        """name@version."""
        return f"{self.policy}@{self.version}"


class Origin(Struct, frozen=True):
    """Which policy set a value, as name@version, and the line of its text."""

    policy: str
    line: int


class SectionInForce(Struct, frozen=True):
    """Constraints of the sections whose heading fits the pattern, and of all below them."""

    title: str
    constraints: Constraints


class Publishers(Struct, frozen=True):
    """Who may publish: one of the roles is enough, or to be one of the principals."""

    policy: str
    roles: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()


class PublishRule(Struct, frozen=True, kw_only=True):
    """Who may publish and what must hold; None and empty ask for nothing.

    Each of `who` must let the caller: a policy that extends another narrows who may, and never widens it.
    """

    who: tuple[Publishers, ...] = ()
    suites: tuple[str, ...] = ()
    min_supported_percent: int | None = None
    empty_review_queue: bool = False


class PolicyInForce(Struct, frozen=True, kw_only=True):
    """What holds; `chain` begins with the policy itself, then what it extends. `trace` is by JSON Pointer."""

    chain: tuple[Link, ...]
    constraints: Constraints = Constraints()
    sections: tuple[SectionInForce, ...] = ()
    house_rules: Mapping[str, tuple[str, ...]] = {}
    prompts: Mapping[str, str] = {}
    redact_before: str = "off"
    redaction_kinds: tuple[str, ...] = ()
    redaction_patterns: tuple[str, ...] = ()
    models: tuple[str, ...] | None = None
    publish: PublishRule = PublishRule()
    trace: Mapping[str, Origin] = {}

    @property
    def link(self) -> Link:
        """The policy itself."""
        return self.chain[0]


def stored(policy: PolicyInForce) -> dict[str, Any]:
    """The policy as plain JSON values; canonical once it is encoded with sorted keys (no floats, ASCII keys)."""
    form: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(policy))
    return form


def restored(form: Mapping[str, Any]) -> PolicyInForce:
    """The policy of such values; raises ValueError (msgspec.ValidationError) where they are of a newer version."""
    return msgspec.convert(form, PolicyInForce)


def pinned_in(settings: Mapping[str, Any]) -> PolicyInForce | None:
    """The policy that a run's settings pin; None where there is none."""
    form = settings.get(SETTINGS_KEY)
    return restored(form) if form else None
