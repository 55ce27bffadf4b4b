"""Between verdicts of the domain and their messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lace.runs.v1 import artifacts_pb2, verdicts_pb2
from lace_proto.times import to_timestamp
from lace_runs.domain.verdicts import WantedVerdicts


def wanted_of(request: artifacts_pb2.ListVerdictsRequest, labels: frozenset[str]) -> WantedVerdicts:
    """What a ListVerdictsRequest asks, for who holds these labels."""
    return WantedVerdicts(
        artifact_id=request.artifact_id,
        revision_id=request.revision_id,
        verdict=request.verdict,
        node_id=request.node_id,
        in_document=request.in_document if request.HasField("in_document") else None,
        held=tuple(sorted(labels)),
    )


def verdict_message(row: Mapping[str, Any]) -> artifacts_pb2.Verdict:
    """A verdict on the wire."""
    plain = ("sentence_id", "node_id", "text", "verdict", "reasons", "in_document", "run_id", "standing")
    return artifacts_pb2.Verdict(
        **{name: row[name] for name in plain},
        layers=[layer_message(layer) for layer in row["layers"]],
        acceptance=acceptance_message(row["acceptance"]) if row["acceptance"] else None,
    )


def layer_message(layer: Mapping[str, str]) -> verdicts_pb2.LayerVerdict:
    """A layer's own verdict on the wire."""
    return verdicts_pb2.LayerVerdict(**layer)


def acceptance_message(acceptance: Mapping[str, str]) -> verdicts_pb2.Acceptance:
    """A person's decision on the wire."""
    return verdicts_pb2.Acceptance(
        accepted_by=acceptance["accepted_by"],
        accepted_at=to_timestamp(datetime.fromisoformat(acceptance["accepted_at"])),
        reason=acceptance["reason"],
    )
