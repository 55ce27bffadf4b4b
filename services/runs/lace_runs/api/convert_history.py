"""Between wire messages and values of the history of documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from google.protobuf.struct_pb2 import Value

from lace.common.v1 import ir_pb2
from lace.runs.v1 import artifacts_pb2
from lace.runs.v1 import history_pb2 as wire
from lace_core.diff import Diff
from lace_core.differences.html import html_page
from lace_core.differences.markdown import markdown_page
from lace_core.differences.placed import Page, Placed
from lace_core.errors import Detail, LaceError, Reason
from lace_core.merging import Conflict, Resolution
from lace_proto import json as wire_json
from lace_proto.times import to_timestamp
from lace_runs.api.convert_artifacts import revision_message
from lace_runs.api.convert_verdicts import verdict_message
from lace_runs.app.history.blame import Blame, Blamed
from lace_runs.app.history.differing import Compared
from lace_runs.app.history.differing import Wanted as WantedDiff
from lace_runs.app.history.log import Logged
from lace_runs.app.history.merging import Outcome
from lace_runs.app.history.merging import Wanted as WantedMerge
from lace_runs.app.history.naming import Apart
from lace_runs.domain.history.refs import MAIN, Tag

_MOST_CONFLICTS = 500
_SIDES = ("base", "ours", "theirs")
_RENDERERS = {
    "markdown": ("text/markdown; charset=utf-8", markdown_page),
    "html": ("text/html; charset=utf-8", html_page),
}


def wanted_diff_of(request: wire.DiffArtifactRequest) -> WantedDiff:
    """What a DiffArtifactRequest asks."""
    level: Any = request.level or "sentence"
    return WantedDiff(request.artifact_id, getattr(request, "from"), request.to, request.node_id, level)


def diff_message(found: Compared, first: int, size: int, media: str) -> wire.DiffArtifactResponse:
    """A page of differences, rendered where that is asked for."""
    page = found.differences[first : first + size]
    counts = _counts(found.differences)
    message = wire.DiffArtifactResponse(
        from_revision_id=found.before,
        to_revision_id=found.after,
        before_ir_hash=found.diff.before_hash,
        after_ir_hash=found.diff.after_hash,
        total=len(found.differences),
        counts=counts,
    )
    if media in _RENDERERS:
        message.media_type, render = _RENDERERS[media]
        shown = Page(found.before, found.after, found.title, page, len(found.differences), first, counts)
        message.rendered = render(shown)
    else:
        message.differences.extend(_difference_message(one) for one in page)
    return message


def _counts(differences: Sequence[Placed]) -> dict[str, int]:
    return Diff("", "", tuple(one.difference for one in differences)).counts()


def _difference_message(one: Placed) -> artifacts_pb2.Difference:
    return artifacts_pb2.Difference(**vars(one.difference), heading_path=one.path)


def entry_message(logged: Logged) -> wire.LogEntry:
    """A revision of a log on the wire."""
    entry = logged.entry
    return wire.LogEntry(
        revision=revision_message(entry.revision),
        pipeline_id=entry.pipeline_id,
        reason=entry.reason,
        counts=entry.counts,
        branches=logged.branches,
        tags=logged.tags,
    )


def blame_message(found: Blame) -> wire.BlameArtifactResponse:
    """A page of sentences on the wire."""
    return wire.BlameArtifactResponse(revision_id=found.revision_id, lines=map(_line_message, found.lines))


def _line_message(blamed: Blamed) -> wire.BlameLine:
    line, entry = blamed.line, blamed.entry
    message = wire.BlameLine(
        node_id=line.node_id,
        node_title=line.node_title,
        block_id=line.part.block_id,
        sentence_id=line.part.part_id,
        text=line.part.text,
        evidence=[wire_json.from_json(ir_pb2.Evidence, msgspec.json.encode(evidence)) for evidence in line.evidence],
        verdict=verdict_message(blamed.verdict) if blamed.verdict else None,
    )
    if entry is not None:
        message.revision_id = entry.revision.revision_id
        message.created_by, message.run_id = entry.revision.created_by, entry.revision.run_id
        message.pipeline_id, message.reason = entry.pipeline_id, entry.reason
        message.created_at.CopyFrom(to_timestamp(entry.revision.created_at))
    return message


def branch_message(found: Apart) -> wire.Branch:
    """A branch on the wire."""
    branch = found.branch
    message = wire.Branch(
        artifact_id=branch.artifact_id,
        name=branch.name,
        head_revision_id=branch.head_revision_id,
        from_revision_id=branch.from_revision_id,
        ahead=found.ahead,
        behind=found.behind,
        created_by=branch.created_by,
    )
    message.created_at.CopyFrom(to_timestamp(branch.created_at))
    message.updated_at.CopyFrom(to_timestamp(branch.updated_at))
    return message


def tag_message(tag: Tag) -> wire.Tag:
    """A tag on the wire."""
    message = wire.Tag(**{name: value for name, value in vars(tag).items() if name != "created_at"})
    message.created_at.CopyFrom(to_timestamp(tag.created_at))
    return message


def wanted_merge_of(request: wire.MergeArtifactRequest) -> WantedMerge:
    """What a MergeArtifactRequest asks; raises LaceError RESOLUTION_INVALID for a conflict that is settled twice."""
    resolutions: dict[str, Resolution] = {}
    for index, given in enumerate(request.resolutions):
        if given.conflict_id in resolutions:
            at = f"/resolutions/{index}"
            details = [Detail(at, "settles it a second time")]
            raise LaceError(Reason.RESOLUTION_INVALID, f"{at}: {given.conflict_id} is settled twice.", details=details)
        choice: Any = given.choice
        value = wire_json.to_python(given.value) if given.HasField("value") else None
        resolutions[given.conflict_id] = Resolution(choice, value)
    return WantedMerge(
        artifact_id=request.artifact_id,
        theirs=getattr(request, "from"),
        ours=request.into or MAIN,
        message=request.message,
        resolutions=resolutions,
        dry_run=request.dry_run,
        etag=request.etag,
    )


def outcome_message(found: Outcome) -> wire.MergeArtifactResponse:
    """What came of a merge on the wire."""
    return wire.MergeArtifactResponse(
        outcome=found.outcome,
        revision=revision_message(found.revision) if found.revision else None,
        conflicts=[_conflict_message(conflict) for conflict in found.conflicts[:_MOST_CONFLICTS]],
        total_conflicts=len(found.conflicts),
        base_revision_id=found.base,
        ours_revision_id=found.ours,
        theirs_revision_id=found.theirs,
        counts=found.counts,
        etag=found.head or "empty",
    )


def _conflict_message(conflict: Conflict) -> wire.Conflict:
    plain: dict[str, Any] = {name: value for name, value in vars(conflict).items() if name not in _SIDES}
    values = {name: wire_json.from_python(Value, getattr(conflict, name)) for name in _SIDES}
    return wire.Conflict(
        conflict_id=conflict.conflict_id, base=values["base"], ours=values["ours"], theirs=values["theirs"], **plain
    )
