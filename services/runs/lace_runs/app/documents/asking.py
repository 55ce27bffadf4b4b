"""What is asked of a model about a section that is there already, by the way in which it is changed."""

from __future__ import annotations

from collections.abc import Sequence

from lace_core import contracts, planning, revising
from lace_core import ir as model
from lace_runs.app.documents.work import section_of
from lace_runs.domain import steps as out
from lace_runs.domain.runs import Run

_LEAST_WORDS = 60
_SHARE_OF_ADDITIONS = 3


def more_input(
    run: Run,
    base: model.Artifact,
    node: out.PlannedNode,
    grounds: Sequence[planning.Grounds],
    rules: model.Constraints,
    *,
    audience: str,
    words: int,
    anew: bool,
) -> contracts.WriteMoreInput:
    """For the text of a section written anew, or for what is to be added to it."""
    there = node_in(base, node.node_id)
    siblings = [n.title for n in base.nodes if n.parent_id == node.parent_id and n.node_id != node.node_id]
    return contracts.WriteMoreInput(
        document_title=base.title,
        language=base.language,
        audience=rules.audience or audience,
        section=section_of(node),
        siblings=tuple(siblings),
        facts=tuple(g.fact for g in grounds),
        target_words=min(words, rules.max_words or words),
        must_cite=True,
        forbidden_phrases=rules.forbidden_phrases or (),
        instructions=run.request.instructions,
        existing=revising.existing_texts(there) if there and not anew else (),
    )


def enrich_input(
    base: model.Artifact,
    node: out.PlannedNode,
    grounds: Sequence[planning.Grounds],
    rules: model.Constraints,
    words: int,
) -> contracts.EnrichInput:
    """For further evidence of what a section says, and what newer sources add to it."""
    return contracts.EnrichInput(
        document_title=base.title,
        language=base.language,
        section=section_of(node),
        blocks=revising.current_blocks(base.node(node.node_id), grounds),
        facts=tuple(g.fact for g in grounds),
        new_fact_ids=_new_facts(base, grounds),
        target_words=max(_LEAST_WORDS, words // _SHARE_OF_ADDITIONS),
        forbidden_phrases=rules.forbidden_phrases or (),
    )


def patch_input(
    run: Run,
    base: model.Artifact,
    node: out.PlannedNode,
    grounds: Sequence[planning.Grounds],
    rules: model.Constraints,
) -> contracts.PatchInput:
    """For the change of a section that the instructions ask for."""
    there = base.node(node.node_id)
    words = sum(len(text.split()) for text in revising.existing_texts(there))
    return contracts.PatchInput(
        document_title=base.title,
        language=base.language,
        section=section_of(node),
        instructions=run.request.instructions,
        blocks=revising.current_blocks(there, grounds),
        facts=tuple(g.fact for g in grounds),
        target_words=max(_LEAST_WORDS, words),
        forbidden_phrases=rules.forbidden_phrases or (),
    )


def node_in(document: model.Artifact, node_id: str) -> model.Node | None:
    """The node of that id; None where the document has none."""
    return next((node for node in document.nodes if node.node_id == node_id), None)


def _new_facts(base: model.Artifact, grounds: Sequence[planning.Grounds]) -> tuple[str, ...]:
    """The facts of sources that the document did not cite yet, and that no section cites."""
    old = {source.source_id for source in base.sources}
    return tuple(g.fact.fact_id for g in grounds if all(piece.source_id not in old for piece in g.pieces))
