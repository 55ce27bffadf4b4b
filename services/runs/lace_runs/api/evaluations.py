"""EvaluationService: decode, one use case, encode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lace.runs.v1 import evaluations_pb2 as wire
from lace.runs.v1 import evaluations_pb2_grpc as grpc_wire
from lace_platform.clock import utc_now
from lace_platform.paging import PageTokens
from lace_runs.api import convert_evaluations as convert
from lace_runs.api.edge import answered, caller, once
from lace_runs.app.evaluations.evaluating import evaluate, verify_pairs
from lace_runs.app.evaluations.ports import Scorer
from lace_runs.app.ports import OpenUnitOfWork, UnitOfWork
from lace_runs.domain.evaluations import named_set

_CREATE = "/lace.runs.v1.EvaluationService/CreateEvaluation"


@dataclass(frozen=True)
class EvaluationTools:
    """What the servicer needs of the outside."""

    open: OpenUnitOfWork
    scorer: Scorer
    pages: PageTokens


class EvaluationServicer(grpc_wire.EvaluationServiceServicer):
    """Verdicts on anything, and reports on how good verdicts are."""

    def __init__(self, tools: EvaluationTools) -> None:
        self._tools = tools

    async def VerifySentences(self, request: wire.VerifySentencesRequest, context: Any) -> wire.VerifySentencesResponse:
        """The built-in verifier's verdict on each pair."""
        scored = await verify_pairs(self._tools.scorer, [convert.sentence_pair_of(own) for own in request.pairs])
        return wire.VerifySentencesResponse(verdicts=map(convert.verdict_message, scored))

    async def GetEvaluationSet(self, request: wire.GetEvaluationSetRequest, context: Any) -> wire.EvaluationSet:
        """A set that comes with LACE."""
        return convert.set_message(named_set(request.set))

    async def CreateEvaluation(self, request: wire.CreateEvaluationRequest, context: Any) -> wire.Evaluation:
        """Measures, and keeps the report."""
        tools, who, asked = self._tools, caller(), convert.asked_of(request)
        if (kept := await answered(tools.open, _CREATE, request, wire.Evaluation)) is not None:
            return kept
        evaluation = await evaluate(tools.open, tools.scorer, who, asked, utc_now())

        async def effect(work: UnitOfWork) -> wire.Evaluation:
            await work.evaluations.add(who.tenant_id, evaluation)
            return convert.evaluation_message(evaluation)

        return await once(tools.open, _CREATE, request, wire.Evaluation, effect)

    async def GetEvaluation(self, request: wire.GetEvaluationRequest, context: Any) -> wire.Evaluation:
        """A kept report."""
        who = caller()
        async with self._tools.open(who.tenant_id) as work:
            found = await work.evaluations.get(who.tenant_id, request.evaluation_id, who.labels)
        return convert.evaluation_message(found)

    async def ListEvaluations(self, request: wire.ListEvaluationsRequest, context: Any) -> wire.ListEvaluationsResponse:
        """Kept reports, newest first."""
        who = caller()
        scope = {"tenant_id": who.tenant_id, "artifact_id": request.artifact_id}
        page = self._tools.pages.page("evaluations", scope, request, maximum=200)
        async with self._tools.open(who.tenant_id) as work:
            found = await work.evaluations.page(who.tenant_id, request.artifact_id, who.labels, page.moment, page.limit)
        shown, token = page.cut(found, lambda own: (own.created_at, own.evaluation_id))
        evaluations = [convert.evaluation_message(own, with_failures=False) for own in shown]
        return wire.ListEvaluationsResponse(evaluations=evaluations, next_page_token=token)
