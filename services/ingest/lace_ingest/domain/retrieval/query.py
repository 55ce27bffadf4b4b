"""What is asked: the words, how they are looked for, and which units may answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lace_ingest.domain.documents import UnitKind

DEFAULT_LIMIT = 10


NOTHING = frozenset(("",))
"""Source ids that no source has: what is left where two lists of sources have none in common."""


class Mode(StrEnum):
    """How units are looked for."""

    AUTO = "auto"
    LEXICAL = "lexical"
    HYBRID = "hybrid"
    DENSE = "dense"


class VectorSearch(StrEnum):
    """How vectors were compared: not at all, each with each, or through an index that may miss some."""

    NONE = "none"
    EXACT = "exact"
    APPROXIMATE = "approximate"


@dataclass(frozen=True)
class Query:
    """Words to look for, any of which may match; `key` names the query in the answer."""

    key: str
    text: str
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True)
class Filters:
    """Which units may answer; all that are set must hold, and an empty one holds for all.

    `source_ids` and a bundle name sources of any version; where neither is set, the newest of each series answer.
    `bundle` is an id or a name, and `bundle_version` 0 is the bundle's newest. `kinds` choose among the units of the
    sources, all others among the sources.
    """

    source_ids: frozenset[str] = frozenset()
    bundle: str = ""
    bundle_version: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()
    kinds: frozenset[UnitKind] = frozenset()
    languages: frozenset[str] = frozenset()
    filenames: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Scope:
    """The units that a search may see: those whose sources' labels are all held, within the filters."""

    held: frozenset[str]
    filters: Filters = field(default_factory=Filters)


@dataclass(frozen=True)
class Search:
    """Many queries in one scope. `settings` are pinned ones by key; those of now where empty.

    `run_id` is the run that asks, empty outside runs. `quoted` says whether hits are to bring their passages.
    """

    queries: tuple[Query, ...]
    filters: Filters = field(default_factory=Filters)
    mode: Mode = Mode.AUTO
    settings: Mapping[str, object] = field(default_factory=dict)
    run_id: str = ""
    quoted: bool = True
