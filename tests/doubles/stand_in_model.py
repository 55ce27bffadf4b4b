"""A model by rule in the place of a real one: one sentence a block, truly and falsely, and instructions obeyed."""

from __future__ import annotations

from dataclasses import dataclass

from lace_core import contracts
from tests.doubles.falsifying_model import FalsifyingModel


@dataclass
class StandInModel(FalsifyingModel):
    """As a writer that knows its contracts, and does not keep to the facts."""

    def write(self, asked: contracts.WriteInput) -> contracts.Written:
        return contracts.Written(
            blocks=tuple(contracts.WrittenParagraph(sentences=(own,)) for own in self.sentences(asked.facts)),
            summary=asked.section.title,
        )

    def patch(self, asked: contracts.PatchInput) -> contracts.Patched:
        """Takes out the blocks that speak of the last word of the instructions, as in: leave out the loan."""
        word = asked.instructions.rstrip(".").split()[-1]
        return contracts.Patched(
            edits=tuple(
                contracts.RemovedBlock(block_id=block.block_id)
                for block in asked.blocks
                if any(word in sentence.text for sentence in block.sentences)
            )
        )
