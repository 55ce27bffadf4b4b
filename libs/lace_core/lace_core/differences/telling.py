"""Differences in words, for whatever page they stand on."""

from __future__ import annotations

from collections.abc import Mapping

from lace_core.diff import Difference

_PLURALS = {
    "document": "documents",
    "source": "sources",
    "node": "sections",
    "block": "blocks",
    "sentence": "sentences",
}
_FIELDS = {"evidence_ids": "citations", "constraints": "rules"}


def counted(counts: Mapping[str, int]) -> str:
    """`2 sentences changed, 1 section added`; empty where nothing is different."""
    told = []
    for name, count in sorted(counts.items()):
        subject, _, change = name.partition(".")
        one = "section" if subject == "node" else subject
        told.append(f"{count} {one if count == 1 else _PLURALS[subject]} {change}")
    return ", ".join(told)


def field_names(difference: Difference) -> str:
    """What a change is in, where the text does not say it."""
    names = [name for name in difference.fields if name not in ("text", "title")]
    return ", ".join(_FIELDS.get(name, name) for name in names)
