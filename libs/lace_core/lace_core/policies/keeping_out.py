"""What the rules of a section keep out of it before anything is shown: forbidden phrases, and too little evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from lace_core import actions as act
from lace_core.contracts import Carried, Patched, RemovedBlock, WrittenBlock
from lace_core.ir import Constraints, cited_parts
from lace_core.phrases import shown_in
from lace_core.planning import Grounds
from lace_core.policies.ruling import forbidden_in
from lace_core.verification.grounding import Verdict
from lace_core.verification.verdicts import LayerVerdict
from lace_core.writing import SentenceVerdict, block_of

LAYER = "policy"
_Item = TypeVar("_Item")


def ruled_out(verdicts: Sequence[SentenceVerdict], rules: Constraints) -> list[SentenceVerdict]:
    """The verdicts, where a sentence that would stand and holds a forbidden phrase does not."""
    return [_lowered(verdict, forbidden_in(verdict.text, rules)) if verdict.stands else verdict for verdict in verdicts]


def was_ruled_out(verdict: SentenceVerdict) -> bool:
    """Whether it was a rule that kept the sentence out, and not its evidence."""
    return any(layer.layer == LAYER for layer in verdict.layers)


def _lowered(verdict: SentenceVerdict, phrase: str) -> SentenceVerdict:
    if not phrase:
        return verdict
    finding = f"{phrase!r} may not occur"
    lowered = Verdict.UNSUPPORTED.word
    return msgspec.structs.replace(
        verdict,
        verdict=lowered,
        reasons=(*verdict.reasons, f"{LAYER}: {finding}"),
        layers=(*verdict.layers, LayerVerdict(layer=LAYER, verdict=lowered, finding=finding)),
        acceptance=None,
    )


def allowed_blocks(
    blocks: Sequence[WrittenBlock], grounds: Mapping[str, Grounds], rules: Constraints
) -> tuple[tuple[WrittenBlock, ...], tuple[str, ...]]:
    """The blocks that may be taken over as they stand in their sources, and the phrases for which others may not."""
    return _parted(blocks, lambda block: _carried_phrase(block, grounds, rules))


def allowed_edits(
    patched: Patched, grounds: Mapping[str, Grounds], rules: Constraints
) -> tuple[Patched, tuple[str, ...]]:
    """The edits without those that would take over such a block, and the phrases for which they may not."""
    kept, phrases = _parted(
        patched.edits,
        lambda edit: "" if isinstance(edit, RemovedBlock) else _carried_phrase(edit.block, grounds, rules),
    )
    return Patched(edits=kept), phrases


def allowed_actions(actions: Sequence[act.Action], rules: Constraints) -> tuple[list[act.Action], int]:
    """The actions without blocks that have less evidence than is asked for, and how many those were.

    A summary that holds a forbidden phrase is left out; where no block is left, so is what else was to be done.
    """
    wanted = rules.min_citations_per_block or 0
    kept: list[act.Action] = []
    lost = 0
    for action in actions:
        if isinstance(action, act.InsertBlock | act.ReplaceBlock) and _citations(action) < wanted:
            lost += 1
        elif not (isinstance(action, act.SetSummary) and forbidden_in(action.summary, rules)):
            kept.append(action)
    if lost and not any(isinstance(action, act.InsertBlock | act.ReplaceBlock) for action in kept):
        return [], lost
    return kept, lost


def _citations(action: act.InsertBlock | act.ReplaceBlock) -> int:
    return len({evidence_id for part in cited_parts(action.block) for evidence_id in part.evidence_ids})


def _carried_phrase(block: WrittenBlock, grounds: Mapping[str, Grounds], rules: Constraints) -> str:
    if not isinstance(block, Carried):
        return ""
    made = block_of(block, (), grounds)
    texts = [block.caption, *(text for _, text in shown_in(made[0]))] if made else [block.caption]
    return next((phrase for phrase in (forbidden_in(text, rules) for text in texts) if phrase), "")


def _parted(items: Iterable[_Item], phrase_of: Callable[[_Item], str]) -> tuple[tuple[_Item, ...], tuple[str, ...]]:
    told = [(item, phrase_of(item)) for item in items]
    return tuple(item for item, phrase in told if not phrase), tuple(phrase for _, phrase in told if phrase)
