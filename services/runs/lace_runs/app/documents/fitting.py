"""Holding the facts of every node to what the model in force may be told, before anything is asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct

from lace_core import planning
from lace_core.contracts import Contract, SourceOutline
from lace_core.errors import LaceError, Reason
from lace_core.fitting import Cut, cut
from lace_core.planning import Grounds
from lace_runs.app.execution import Execution
from lace_runs.app.model_ports import Models, PromptTokens
from lace_runs.app.step_scope import StepScope
from lace_runs.domain import steps as out

CUT = "CONTEXT_CUT"
_MOST_TOLD = 200
# Tokens beside each fact: what is between them, and its name where the input names it again. Tokens beside all: the
# longer headings of what a section may be split into, and the words that explain placeholders.
_BETWEEN, _AROUND = 8, 400
_LONGEST_TEMPLATE = 12_000  # bytes of instructions, schema and format
_MOST_TRIES = 6


@dataclass(frozen=True)
class Draft:
    """The facts of a node and all that will be asked with them, as inputs without facts; `fixed` of the first stay."""

    node: out.PlannedNode
    grounds: tuple[Grounds, ...]
    asked: tuple[tuple[Contract, Struct], ...]
    fixed: int = 0


async def fitted(
    execution: Execution, models: Models, scope: StepScope, drafts: Sequence[Draft]
) -> list[out.NodeGrounds]:
    """The facts that fit, by node; what is left out is told by an event, by a warning and in provenance.

    One question gives all counts. Raises LaceError as a call would that cannot be made.
    """
    facts = {ground.fact.fact_id: ground.fact for draft in drafts for ground in draft.grounds}
    asked = [question for draft in drafts for question in draft.asked]
    if not facts or not asked:
        return [out.NodeGrounds(node_id=draft.node.node_id, grounds=draft.grounds) for draft in drafts]
    counts = await models.count(
        [(contract, _json(value)) for contract, value in asked],
        list(map(_json, facts.values())),
        execution.run.settings,
    )
    tokens = {fact_id: count + _BETWEEN for fact_id, count in zip(facts, counts.parts, strict=True)}
    prompts = iter(counts.prompts)
    found: list[out.NodeGrounds] = []
    for draft in drafts:
        own = [next(prompts) for _ in draft.asked]
        tightest = min(own, key=_room)
        done = cut(draft.grounds, tokens, _room(tightest), fixed=draft.fixed)
        if done.left_out:
            await _tell(execution, scope, draft.node, done, tightest)
        found.append(out.NodeGrounds(node_id=draft.node.node_id, grounds=done.kept))
    _refuse_nothing(drafts, found)
    return found


async def fitted_outlines(
    models: Models, settings: Mapping[str, Any], contract: Contract, asked: Struct, outlines: Sequence[SourceOutline]
) -> tuple[SourceOutline, ...]:
    """The outlines as far as a question without them leaves room, shortened from the bottom where it does not.

    What is shorter in bytes than all the tokens that the setting allows needs no counting.
    """
    most = sum(len(_json(outline)) for outline in outlines)
    if len(_json(asked)) + most + _LONGEST_TEMPLATE <= int(settings["llm.context_tokens"]):
        return tuple(outlines)
    for _ in range(_MOST_TRIES):
        fitted = planning.fit_outlines(outlines, most)
        counts = await models.count([(contract, _json(asked))], list(map(_json, fitted)), settings)
        room, needed = _room(counts.prompts[0]), sum(counts.parts) + _BETWEEN * len(fitted)
        if needed <= room:
            break
        size = sum(len(_json(outline)) for outline in fitted)
        most = max(1, min(most - 1, size * max(0, room) * 9 // (10 * needed)))
    return fitted


def _room(prompt: PromptTokens) -> int:
    """Tokens that a prompt leaves for facts."""
    return prompt.limit - prompt.tokens - _AROUND


async def _tell(execution: Execution, scope: StepScope, node: out.PlannedNode, done: Cut, prompt: PromptTokens) -> None:
    left_tokens = done.needed_tokens - done.kept_tokens
    payload = {
        "node_id": node.node_id,
        "node_title": node.title,
        "limit_tokens": prompt.limit,
        "prompt_tokens": prompt.tokens,
        "needed_tokens": done.needed_tokens,
        "kept_tokens": done.kept_tokens,
        "count_method": prompt.method,
        "left_out_units": len(done.left_out),
        "left_out": [
            {"unit_id": u.unit_id, "source_id": u.source_id, "facts": u.facts, "tokens": u.tokens, "score": u.score}
            for u in done.left_out[:_MOST_TOLD]
        ],
    }
    scope.event("pipeline.context.cut", {"context_cut": payload}, execution.tools.now())
    message = (
        f"{len(done.left_out)} of the passages found for {node.title} do not fit into the model's context and were "
        f"left out ({left_tokens} tokens; the best ranked that fit stay); raise llm.context_tokens or ask of less."
    )
    await execution.warn(scope, CUT, message, node.node_id)
    _add(scope.lineage.evals, "context_left_out_units", len(done.left_out))
    _add(scope.lineage.evals, "context_left_out_tokens", left_tokens)
    if CUT.lower() not in scope.lineage.risk_flags:
        scope.lineage.risk_flags.append(CUT.lower())


def _add(evals: dict[str, int], name: str, number: int) -> None:
    evals[name] = evals.get(name, 0) + number


def _refuse_nothing(drafts: Sequence[Draft], found: Sequence[out.NodeGrounds]) -> None:
    if any(draft.grounds for draft in drafts) and not any(node.grounds for node in found):
        raise LaceError(
            Reason.CONTEXT_TOO_LONG,
            "Not one passage of the sources fits into the model's context; raise llm.context_tokens.",
        )


def _json(value: Struct | Mapping[str, object]) -> str:
    return msgspec.json.encode(value, order="sorted").decode()
