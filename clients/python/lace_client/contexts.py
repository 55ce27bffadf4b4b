"""The units that go into a prompt of bounded size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lace.ingest.v1 import retrieval_pb2
from lace_client.transport import Transport
from lace_proto.json import from_json

_LONGEST_S = 120.0


class Contexts:
    """Contexts out of the sources behind the API; see `LaceClient.contexts`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def build(
        self,
        topics: Sequence[str | Mapping[str, Any]],
        token_budget: int,
        *,
        provider: str = "",
        model: str = "",
        filters: Mapping[str, Any] | None = None,
        mode: str = "",
        units_per_topic: int = 0,
        min_relevance: int | None = None,
    ) -> retrieval_pb2.BuildContextResponse:
        """Pick whole units of at most so many tokens, as the model counts them: every topic before any topic twice.

        A topic is its words, or {key, text, weight}. What was found and left out is in the answer, with the reason.
        Raises LaceApiError.
        """
        body: dict[str, Any] = {
            "topics": [{"text": topic} if isinstance(topic, str) else dict(topic) for topic in topics],
            "token_budget": token_budget,
        }
        more = {"provider": provider, "model": model, "mode": mode, "units_per_topic": units_per_topic}
        body |= {name: value for name, value in more.items() if value}
        if filters:
            body["filters"] = dict(filters)
        if min_relevance is not None:
            body["min_relevance"] = min_relevance
        answer = self._transport.ask("/v1/context", body, _LONGEST_S)
        return from_json(retrieval_pb2.BuildContextResponse, answer, tolerant=True)
