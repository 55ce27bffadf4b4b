"""Verdicts on any sentence and its evidence, and reports on how good verdicts are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lace.runs.v1 import evaluations_pb2
from lace_client.transport import Transport, segment
from lace_proto.json import from_json


class Evaluations:
    """Evaluations behind the API; see `LaceClient.evaluations`. Every method raises LaceApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def verify(self, pairs: Sequence[Mapping[str, Any]]) -> Sequence[evaluations_pb2.PairVerdict]:
        """The built-in verifier's verdict on each pair {id, sentence, evidence: [{quote, file}]}; nothing is kept."""
        answer = self._transport.ask("/v1/verifications", {"pairs": [dict(pair) for pair in pairs]})
        return from_json(evaluations_pb2.VerifySentencesResponse, answer, tolerant=True).verdicts

    def labelled_set(self, name: str) -> evaluations_pb2.EvaluationSet:
        """A labelled set that comes with LACE."""
        return self._transport.read(evaluations_pb2.EvaluationSet, f"/v1/evaluations/sets/{segment(name)}")

    def of_pairs(
        self,
        pairs: Sequence[Mapping[str, Any]] = (),
        *,
        named: str = "",
        scorer: str = "",
        verdicts: Mapping[str, str] | None = None,
        title: str = "",
        key: str | None = None,
    ) -> evaluations_pb2.Evaluation:
        """Measure the built-in verifier on labelled pairs, or on a set by name; or another scorer by its verdicts."""
        given = [{"id": ident, "verdict": verdict} for ident, verdict in (verdicts or {}).items()]
        body: dict[str, Any] = {"title": title, "scorer": scorer, "verdicts": given}
        return self._create({**body, **({"set": named} if named else {"pairs": [dict(pair) for pair in pairs]})}, key)

    def of_document(
        self, artifact_id: str, *, revision_id: str = "", title: str = "", key: str | None = None
    ) -> evaluations_pb2.Evaluation:
        """Measure the citations of a document's head, or of another committed revision."""
        return self._create({"artifact_id": artifact_id, "revision_id": revision_id, "title": title}, key)

    def get(self, evaluation_id: str) -> evaluations_pb2.Evaluation:
        """A kept report."""
        return self._transport.read(evaluations_pb2.Evaluation, f"/v1/evaluations/{segment(evaluation_id)}")

    def list(self, *, artifact_id: str = "") -> Iterator[evaluations_pb2.Evaluation]:
        """Kept reports, newest first, without what failed."""
        asked = {"artifact_id": artifact_id}
        for page in self._transport.pages(evaluations_pb2.ListEvaluationsResponse, "/v1/evaluations", asked):
            yield from page.evaluations

    def _create(self, body: Mapping[str, Any], key: str | None) -> evaluations_pb2.Evaluation:
        answer = self._transport.change("POST", "/v1/evaluations", body, key=key)
        return from_json(evaluations_pb2.Evaluation, answer, tolerant=True)
