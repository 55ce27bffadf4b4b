"""Branches and tags: names for revisions, of which those of branches move."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from lace_core.errors import Detail, LaceError, Reason

MAIN = "main"
PUBLISHED = "published"
"""Names the newest revision that is out; see publications."""
LONGEST_NAME = 100

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TAKEN = frozenset({MAIN, PUBLISHED, "head"})


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A line of work. `from_revision_id` is where it began, empty for main."""

    artifact_id: str
    name: str
    head_revision_id: str
    created_by: str
    created_at: datetime
    updated_at: datetime
    from_revision_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Tag:
    """A name that stays with its revision."""

    artifact_id: str
    name: str
    revision_id: str
    message: str
    created_by: str
    created_at: datetime


def check_name(name: str) -> None:
    """Raises REF_NAME_INVALID for what cannot be told from an id, a path or main, or is no plain word."""
    problem = ""
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        problem = f"use letters, digits, '.', '_' and '-', {LONGEST_NAME} at most, a letter or digit first"
    elif ".." in name or name.endswith("."):
        problem = "dots stand alone and not at the end"
    elif name.lower() in _TAKEN or name.startswith("rev_"):
        problem = "it stands for something else already"
    if problem:
        shown = name[:LONGEST_NAME].encode("unicode_escape").decode()
        raise LaceError(
            Reason.REF_NAME_INVALID, f"{shown!r} is no name: {problem}.", details=[Detail("/name", problem)]
        )
