"""Security labels: who may see what carries some, and the label that makes a thing its owner's alone."""

from __future__ import annotations

from collections.abc import Iterable

_OWNER = "owner:"


def owner_label(principal_id: str) -> str:
    """The label that this principal alone holds; nobody can be granted or claim it."""
    return _OWNER + principal_id


def is_owner_label(label: str) -> bool:
    """Whether a label is some principal's own."""
    return label.startswith(_OWNER)


def owner_among(labels: Iterable[str]) -> str:
    """The owner's label among these, empty where there is none."""
    return next(filter(is_owner_label, labels), "")


def held_by(principal_id: str, granted: Iterable[str]) -> frozenset[str]:
    """All that a principal holds: the labels granted to it, and its own, whatever of that kind was granted."""
    return frozenset((*(label for label in granted if not is_owner_label(label)), owner_label(principal_id)))
