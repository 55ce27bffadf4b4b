"""Rules of the organisation: keeping, reading, checking, explaining and activating policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from lace.runs.v1 import policies_pb2
from lace_client.transport import Transport, segment
from lace_proto.json import from_json

_PATH = "/v1/policies"


class Policies:
    """The policies behind the API; see `LaceClient.policies`. Every method raises LaceApiError.

    A policy is named as name or name@version, or given as its YAML; where neither is given, the tenant's is meant.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, yaml: str, *, key: str | None = None) -> policies_pb2.Policy:
        """Keep a version for good; its findings say what of it has no effect.

        The same text again changes nothing; another one under the same version is POLICY_VERSION_EXISTS.
        """
        answer = self._transport.change("POST", _PATH, {"yaml": yaml}, key=key)
        return from_json(policies_pb2.Policy, answer, tolerant=True)

    def get(self, name: str, version: int = 0) -> policies_pb2.Policy:
        """A version with its text, the newest where it is 0."""
        place = f"{_PATH}/{segment(name)}"
        return self._transport.read(policies_pb2.Policy, place, {"version": version} if version else None)

    def list(self) -> Iterator[policies_pb2.Policy]:
        """The newest version of each policy, by name."""
        for page in self._transport.pages(policies_pb2.ListPoliciesResponse, _PATH, {}):
            yield from page.policies

    def versions(self, name: str) -> Iterator[policies_pb2.Policy]:
        """The versions of a policy, newest first."""
        path = f"{_PATH}/{segment(name)}/versions"
        for page in self._transport.pages(policies_pb2.ListPolicyVersionsResponse, path, {}):
            yield from page.policies

    def check(self, yaml: str) -> policies_pb2.CheckPolicyResponse:
        """What is wrong with a text, with line and column; nothing is kept."""
        answer = self._transport.change("POST", f"{_PATH}:check", {"yaml": yaml})
        return from_json(policies_pb2.CheckPolicyResponse, answer, tolerant=True)

    def explain(
        self, policy: str = "", *, yaml: str = "", artifact_id: str = "", node_id: str = ""
    ) -> policies_pb2.ExplainPolicyResponse:
        """What a policy comes to, and who set each value; for a document, what holds there."""
        asked = {"source": _source(policy, yaml), "artifact_id": artifact_id, "node_id": node_id}
        answer = self._transport.change("POST", f"{_PATH}:explain", asked)
        return from_json(policies_pb2.ExplainPolicyResponse, answer, tolerant=True)

    def diff(self, before: Mapping[str, str], after: Mapping[str, str]) -> policies_pb2.DiffPoliciesResponse:
        """What is stricter, looser or other; each side is {"policy": name} or {"yaml": text}."""
        asked = {"before": dict(before), "after": dict(after)}
        answer = self._transport.change("POST", f"{_PATH}:diff", asked)
        return from_json(policies_pb2.DiffPoliciesResponse, answer, tolerant=True)

    def activate(
        self,
        name: str,
        version: int = 0,
        *,
        effective_at: datetime | None = None,
        reason: str = "",
        key: str | None = None,
    ) -> policies_pb2.PolicyActivation:
        """Let a version hold for every run that is started from then on; the policy default lets none hold."""
        asked: dict[str, Any] = {"version": version, "reason": reason}
        if effective_at is not None:
            asked["effective_at"] = effective_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        answer = self._transport.change("POST", f"{_PATH}/{segment(name)}:activate", asked, key=key)
        return from_json(policies_pb2.PolicyActivation, answer, tolerant=True)

    def schema(self) -> dict[str, Any]:
        """JSON Schema (2020-12) of the YAML, as the server has it."""
        from lace_proto.json import to_python

        found = self._transport.read(policies_pb2.PolicySchema, f"{_PATH}:schema")
        schema: dict[str, Any] = to_python(found)["schema"]
        return schema


def _source(policy: str, yaml: str) -> dict[str, str]:
    return {name: value for name, value in (("policy", policy), ("yaml", yaml)) if value}
