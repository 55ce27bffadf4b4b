"""The values that the API document shows of policies; see examples."""

from __future__ import annotations

from typing import Any

_TEXT = """\
policy: programme
version: 1
extends: company@1
constraints:
  max_words: 900
"""
_CHANGED = _TEXT.replace("version: 1", "version: 2").replace("900", "600")
_HASH = "1fd4e4a7c0b39f5d2a68e1c7b4059d3f6a82e0b1c5d7f9a3e4b6c8d0f2a1b3c5"
_PRINCIPAL = "prn_01kahx2v6d1f4h7k0m3p6s9v2x"

POLICIES: dict[str, Any] = {
    "yaml": _TEXT,
    "PolicySource.yaml": "",
    "StartRunRequest.policy": "programme@1",
    "PolicySource.policy": "programme@1",
    "Policy.name": "programme",
    "Policy.version": 1,
    "Policy.sha256": _HASH,
    "Policy.description": "Reports of the Harrow Bay heat programme.",
    "Policy.extends": "company@1",
    "Policy.active": True,
    "PolicyFinding.code": "POLICY_KEY_UNKNOWN",
    "PolicyFinding.severity": "error",
    "PolicyFinding.pointer": "/constraints/max_wrods",
    "PolicyFinding.line": 5,
    "PolicyFinding.column": 3,
    "PolicyFinding.message": "There is no field 'max_wrods' here. Did you mean 'max_words'?",
    "CheckPolicyResponse.valid": False,
    "PolicySchema.schema": {"title": "LACE policy", "type": "object"},
    "GetPolicyRequest.name": "programme",
    "GetPolicyRequest.version": 1,
    "ListPolicyVersionsRequest.name": "programme",
    "PolicyLink.name": "programme",
    "PolicyLink.version": 1,
    "PolicyLink.sha256": _HASH,
    "ExplainedValue.pointer": "/constraints/max_words",
    "ExplainedValue.value": 900,
    "ExplainedValue.set_by": "programme@1",
    "ExplainedValue.line": 5,
    "ExplainedValue.locked_by": "",
    "PolicyDifference.pointer": "/constraints/max_words",
    "PolicyDifference.effect": "stricter",
    "PolicyDifference.before": 900,
    "PolicyDifference.after": 600,
    "ActivatePolicyRequest.name": "programme",
    "ActivatePolicyRequest.version": 1,
    "ActivatePolicyRequest.reason": "Agreed by the editors.",
    "PolicyActivation.name": "programme",
    "PolicyActivation.version": 1,
    "PolicyActivation.sha256": _HASH,
    "activated_by": _PRINCIPAL,
}
REQUESTS: dict[str, Any] = {
    "CreatePolicyVersion": {"yaml": _TEXT},
    "CheckPolicy": {"yaml": _TEXT.replace("max_words", "max_wrods")},
    "ExplainPolicy": {"source": {"policy": "programme"}},
    "DiffPolicies": {"before": {"policy": "programme@1"}, "after": {"yaml": _CHANGED}},
    "ActivatePolicy": {"version": 1, "reason": "Agreed by the editors."},
}
