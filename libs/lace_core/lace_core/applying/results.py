"""What apply takes and gives beside documents and proposals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lace_core.ir import Artifact
from lace_core.rejections import RejectionCode


@dataclass(frozen=True)
class Policy:
    """What a proposal may do, and what happens where its base is not the head.

    `scope` limits it to these nodes and what is below them (None: the whole document); `may_remove` allows content to
    be removed, `may_split` nodes to be made. `on_conflict`: reject refuses all; rebase applies each action by id and
    refuses with CONFLICT what is about something that differs between `base` and the document (without a base only
    what is not there can be refused); overwrite applies each by id whatever was changed since, and is for those who
    hold the permission for it. `history` has the keys of the actions that made the document, with their digests.
    """

    scope: frozenset[str] | None = None
    may_remove: bool = False
    on_conflict: Literal["reject", "rebase", "overwrite"] = "reject"
    base: Artifact | None = None
    may_split: bool = True
    history: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One change of a node or block, with hashes before ("" if added) and after ("" if removed)."""

    subject_id: str
    change: Literal["added", "replaced", "moved", "removed"]
    before_hash: str
    after_hash: str
    action_key: str


@dataclass(frozen=True)
class Rejection:
    """An action that was not applied: a code of RejectionCode, JSON Pointer into the proposal, and why."""

    code: str
    pointer: str
    message: str


@dataclass(frozen=True)
class Applied:
    """The document after the proposal, what changed, and what was refused.

    `digests` has the key and digest of each action that was applied: the next proposals' history.
    """

    artifact: Artifact
    changes: tuple[Change, ...]
    rejections: tuple[Rejection, ...]
    digests: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """Why an action does not fit; `member` is the JSON Pointer to the cause within the action, without its slash."""

    def __init__(self, code: RejectionCode, member: str, message: str) -> None:
        super().__init__(message)
        self.code, self.member, self.message = code, member, message
