"""Questions about impact: which can be asked, and that the answer is passed on as it came."""

from __future__ import annotations

import pytest

from lace.ingest.v1 import diffs_pb2
from lace.provenance.v1 import provenance_pb2 as wire
from lace_core.errors import LaceError, Reason
from lace_provenance.api.convert_impact import impact_to_wire, question_of
from lace_provenance.app.assess_impact import get_impact
from lace_provenance.domain.impact import ImpactQuestion


class Echo:
    """Answers with what it was asked."""

    async def assess(self, question: ImpactQuestion) -> ImpactQuestion:
        return question


async def test_a_question_arrives_as_it_was_asked() -> None:
    request = wire.GetImpactRequest(**{"from": "src_1", "to": "src_2"}, unchanged=True, page_size=7, page_token="t")
    expected = ImpactQuestion("src_1", "src_2", "", True, 7, "t")
    assert await get_impact(Echo(), question_of(request)) == expected
    of_document = question_of(wire.GetImpactRequest(artifact_id="art_1"))
    assert await get_impact(Echo(), of_document) == ImpactQuestion(artifact_id="art_1")


@pytest.mark.parametrize(
    "question",
    [
        ImpactQuestion(),
        ImpactQuestion("src_1", artifact_id="art_1"),
        ImpactQuestion(artifact_id="art_1", to="src_2"),
    ],
)
async def test_one_thing_must_be_named(question: ImpactQuestion) -> None:
    with pytest.raises(LaceError) as refused:
        await get_impact(Echo(), question)
    assert refused.value.reason is Reason.INVALID_ARGUMENT


def test_the_answer_is_passed_on() -> None:
    impact = diffs_pb2.CitationImpact(standing=diffs_pb2.QUOTE_STANDING_GONE)
    answer = diffs_pb2.AssessImpactResponse(citations=[impact], next_page_token="t")
    answer.sources.add(source_id="src_1")
    told = impact_to_wire(answer)
    assert (list(told.citations), told.sources[0].source_id, told.next_page_token) == ([impact], "src_1", "t")
