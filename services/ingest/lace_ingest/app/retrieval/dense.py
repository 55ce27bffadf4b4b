"""Whether vectors can answer a search: those of the units in scope, and those of its questions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lace_core.errors import LaceError
from lace_ingest.app.model_ports import EmbeddedTexts, ModelCall
from lace_ingest.app.ports import Caller, Ingest
from lace_ingest.app.vector_ports import Coverage
from lace_ingest.domain.retrieval.policy import Policy
from lace_ingest.domain.retrieval.query import Scope, Search


@dataclass(frozen=True)
class Questions:
    """The vectors of a search's questions, and how many units in scope have none to compare them with.

    Where they are None, `reason` says in a sentence why.
    """

    embedded: EmbeddedTexts | None
    reason: str = ""
    units_without_vector: int = 0


async def embed_questions(
    ingest: Ingest, caller: Caller, scope: Scope, asked: Search, settings: Mapping[str, Any], policy: Policy
) -> Questions:
    """The questions as vectors, where units in scope have vectors of the same model.

    No model is asked where there is nothing to compare with; one that is away or slow is a reason, not a failure.
    """
    if ingest.models is None:
        return Questions(None, "Here is no way to a model that embeds.")
    async with ingest.units_of_work(caller.tenant_id) as work:
        coverage = await work.vectors.coverage(caller.tenant_id, scope)
    named = _named(settings)
    if not any(_is(name, named) for name, _ in coverage.embedded):
        return Questions(None, f"No unit in scope has a vector of {named} yet.")
    call = ModelCall(caller, settings, policy.timeout_s, run_id=asked.run_id)
    try:
        async with asyncio.timeout(policy.timeout_s):
            embedded = await ingest.models.queries.of(call, [query.text for query in asked.queries])
    except TimeoutError:
        return Questions(None, f"{named} did not answer within {policy.timeout_s:g} s.")
    except LaceError as error:
        return Questions(None, f"{named} did not answer ({error.reason.value}): {error.message}")
    return _compared(embedded, coverage)


def _compared(embedded: EmbeddedTexts, coverage: Coverage) -> Questions:
    made = coverage.embedded.get((embedded.model.name, embedded.model.dimensions), 0)
    if not made:
        return Questions(None, f"No unit in scope has a vector of {embedded.model.name} yet.")
    return Questions(embedded, units_without_vector=max(0, coverage.units - made))


def _named(settings: Mapping[str, Any]) -> str:
    """`provider/model`, or the provider where its default is meant."""
    provider, model = settings["llm.embedding_provider"], settings.get("llm.embedding_model", "")
    return f"{provider}/{model}" if model else str(provider)


def _is(name: str, named: str) -> bool:
    return name == named or ("/" not in named and name.startswith(f"{named}/"))
