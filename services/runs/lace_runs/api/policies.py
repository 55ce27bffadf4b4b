"""PolicyService: decode, one use case, encode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lace.runs.v1 import policies_pb2 as wire
from lace.runs.v1 import policies_pb2_grpc as grpc_wire
from lace_core.errors import LaceError, Reason
from lace_platform.clock import utc_now
from lace_platform.paging import PageTokens
from lace_runs.api import convert_policies as convert
from lace_runs.api.edge import caller, once
from lace_runs.app.policies import activating, explaining, keeping
from lace_runs.app.ports import OpenUnitOfWork, UnitOfWork

_CREATE = "/lace.runs.v1.PolicyService/CreatePolicyVersion"
_ACTIVATE = "/lace.runs.v1.PolicyService/ActivatePolicy"


@dataclass(frozen=True)
class PolicyTools:
    """What the servicer needs of the outside."""

    open: OpenUnitOfWork
    pages: PageTokens
    changed: Callable[[], None]  # told after each activation


class PolicyServicer(grpc_wire.PolicyServiceServicer):
    """Rules of the organisation."""

    def __init__(self, tools: PolicyTools) -> None:
        self._tools = tools

    async def CreatePolicyVersion(self, request: wire.CreatePolicyVersionRequest, context: Any) -> wire.Policy:
        """Keeps a version for good."""
        who = caller()

        async def effect(work: UnitOfWork) -> wire.Policy:
            made, findings = await keeping.keep(work, who, request.yaml, utc_now())
            return convert.policy_message(made, findings=findings)

        return await once(self._tools.open, _CREATE, request, wire.Policy, effect)

    async def GetPolicy(self, request: wire.GetPolicyRequest, context: Any) -> wire.Policy:
        """A version with its text."""
        tenant_id = caller().tenant_id
        async with self._tools.open(tenant_id) as work:
            found = await work.policies.find(tenant_id, request.name, request.version)
        if found is None:
            which = f"{request.name}@{request.version}" if request.version else request.name
            raise LaceError(Reason.POLICY_NOT_FOUND, f"No policy {which}; GET /v1/policies lists them.")
        return convert.policy_message(found)

    async def ListPolicies(self, request: wire.ListPoliciesRequest, context: Any) -> wire.ListPoliciesResponse:
        """The newest version of each policy, by name."""
        tenant_id = caller().tenant_id
        scope = {"tenant_id": tenant_id}
        page = self._tools.pages.page("policies", scope, request)
        async with self._tools.open(tenant_id) as work:
            found = await work.policies.page(tenant_id, page.name, page.limit)
        shown, token = page.cut(found, lambda policy: (policy.name,))
        policies = [convert.policy_message(policy, whole=False) for policy in shown]
        return wire.ListPoliciesResponse(policies=policies, next_page_token=token)

    async def ListPolicyVersions(
        self, request: wire.ListPolicyVersionsRequest, context: Any
    ) -> wire.ListPolicyVersionsResponse:
        """Versions of a policy, newest first."""
        tenant_id = caller().tenant_id
        scope = {"tenant_id": tenant_id, "name": request.name}
        page = self._tools.pages.page("policy_versions", scope, request)
        async with self._tools.open(tenant_id) as work:
            found = await work.policies.versions(tenant_id, request.name, page.number or 0, page.limit)
        if not found and page.number is None:
            raise LaceError(Reason.POLICY_NOT_FOUND, f"No policy {request.name}; GET /v1/policies lists them.")
        shown, token = page.cut(found, lambda policy: (policy.version,))
        policies = [convert.policy_message(policy, whole=False) for policy in shown]
        return wire.ListPolicyVersionsResponse(policies=policies, next_page_token=token)

    async def GetPolicySchema(self, request: wire.GetPolicySchemaRequest, context: Any) -> wire.PolicySchema:
        """The JSON Schema of the YAML."""
        return convert.schema_message()

    async def CheckPolicy(self, request: wire.CheckPolicyRequest, context: Any) -> wire.CheckPolicyResponse:
        """Says what is wrong with a text."""
        tenant_id = caller().tenant_id
        async with self._tools.open(tenant_id) as work:
            findings = await keeping.check(work.policies, tenant_id, request.yaml)
        valid = not any(found.severity == "error" for found in findings)
        return wire.CheckPolicyResponse(valid=valid, findings=convert.finding_messages(findings))

    async def ExplainPolicy(self, request: wire.ExplainPolicyRequest, context: Any) -> wire.ExplainPolicyResponse:
        """Says what a policy comes to, and who set each value."""
        who, asked = caller(), convert.meant_of(request.source)
        place = (request.artifact_id, request.node_id)
        async with self._tools.open(who.tenant_id) as work:
            found = await explaining.explain_policy(work, who, asked, *place, utc_now())
        return convert.explanation_message(found)

    async def DiffPolicies(self, request: wire.DiffPoliciesRequest, context: Any) -> wire.DiffPoliciesResponse:
        """Says what is stricter, looser or other."""
        who = caller()
        before, after = convert.meant_of(request.before), convert.meant_of(request.after)
        async with self._tools.open(who.tenant_id) as work:
            found = await explaining.diff_policies(work, who, before, after, utc_now())
        return convert.diff_message(found)

    async def ActivatePolicy(self, request: wire.ActivatePolicyRequest, context: Any) -> wire.PolicyActivation:
        """Lets a version hold for the tenant."""
        who, at = caller(), convert.effective_at_of(request)
        name = f"{request.name}@{request.version}" if request.version else request.name

        async def effect(work: UnitOfWork) -> wire.PolicyActivation:
            made = await activating.activate(work, who, name, at, request.reason, utc_now())
            return convert.activation_message(made)

        answer = await once(self._tools.open, _ACTIVATE, request, wire.PolicyActivation, effect)
        self._tools.changed()
        return answer
