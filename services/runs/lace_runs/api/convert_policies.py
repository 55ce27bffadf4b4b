"""Policies between wire messages and values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from google.protobuf.struct_pb2 import Value

from lace.runs.v1 import policies_pb2 as wire
from lace_core.policies.comparing import PolicyChange
from lace_core.policies.explaining import Explained
from lace_core.policies.findings import PolicyFinding
from lace_core.policies.in_force import Link
from lace_core.policies.model import policy_schema
from lace_proto import json as wire_json
from lace_proto.times import to_datetime, to_timestamp
from lace_runs.app.policies.explaining import Explanation, Meant
from lace_runs.domain.policies import Activation, PolicyVersion

_SEVERITIES = {"error": wire.POLICY_SEVERITY_ERROR, "warning": wire.POLICY_SEVERITY_WARNING}
_EFFECTS = {
    "stricter": wire.POLICY_EFFECT_STRICTER,
    "looser": wire.POLICY_EFFECT_LOOSER,
    "changed": wire.POLICY_EFFECT_CHANGED,
}


def policy_message(policy: PolicyVersion, *, whole: bool = True, findings: Sequence[PolicyFinding] = ()) -> wire.Policy:
    """A version on the wire; its text only where the whole is asked for."""
    message = wire.Policy(
        name=policy.name,
        version=policy.version,
        sha256=policy.sha256,
        yaml=policy.text if whole else "",
        description=policy.description,
        extends=policy.extends,
        created_by=policy.created_by,
        active=policy.active,
        findings=finding_messages(findings),
    )
    message.created_at.CopyFrom(to_timestamp(policy.created_at))
    return message


def finding_messages(findings: Sequence[PolicyFinding]) -> list[wire.PolicyFinding]:
    """Findings on the wire."""
    return [wire.PolicyFinding(**{**vars(found), "severity": _SEVERITIES[found.severity]}) for found in findings]


def schema_message() -> wire.PolicySchema:
    """The JSON Schema of the YAML on the wire."""
    message = wire.PolicySchema()
    message.schema.update(policy_schema())
    return message


def meant_of(source: wire.PolicySource) -> Meant:
    """The policy that a PolicySource means."""
    return Meant(source.policy, source.yaml)


def link_message(link: Link) -> wire.PolicyLink:
    """A version by its hash on the wire."""
    return wire.PolicyLink(name=link.policy, version=link.version, sha256=link.sha256)


def explanation_message(found: Explanation) -> wire.ExplainPolicyResponse:
    """What a policy comes to, on the wire."""
    return wire.ExplainPolicyResponse(
        chain=map(link_message, found.chain),
        values=map(_explained_message, found.values),
        findings=finding_messages(found.findings),
    )


def _explained_message(found: Explained) -> wire.ExplainedValue:
    return wire.ExplainedValue(
        pointer=found.pointer,
        value=_value(found.value),
        set_by=found.set_by,
        line=found.line,
        locked_by=found.locked_by,
    )


def diff_message(changes: Sequence[PolicyChange]) -> wire.DiffPoliciesResponse:
    """A difference on the wire."""
    return wire.DiffPoliciesResponse(differences=map(_difference_message, changes))


def _difference_message(change: PolicyChange) -> wire.PolicyDifference:
    message = wire.PolicyDifference(pointer=change.pointer, effect=_EFFECTS[change.effect])
    for name in ("before", "after"):
        if getattr(change, name) is not None:
            getattr(message, name).CopyFrom(_value(getattr(change, name)))
    return message


def activation_message(activation: Activation) -> wire.PolicyActivation:
    """A decision on the wire."""
    message = wire.PolicyActivation(
        name=activation.name,
        version=activation.version,
        sha256=activation.sha256,
        activated_by=activation.activated_by,
    )
    message.effective_at.CopyFrom(to_timestamp(activation.effective_at))
    message.activated_at.CopyFrom(to_timestamp(activation.activated_at))
    return message


def effective_at_of(request: wire.ActivatePolicyRequest) -> datetime | None:
    """From when a policy is to hold; None for at once."""
    return to_datetime(request.effective_at) if request.HasField("effective_at") else None


def _value(value: Any) -> Value:
    return wire_json.from_python(Value, value)
