"""Making a text again out of what is stored, without a model, and comparing it with the text that is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from msgspec import Struct

from lace_core import contracts
from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_core.paragraphs.support import SupportedSentence, encode, remade, text_hash
from lace_core.verification.version import RULES_VERSION
from lace_runs.app.paragraphs.making import after_judge, question, require_answer, sentences_of
from lace_runs.app.paragraphs.specs import require_visible
from lace_runs.app.paragraphs.writing import no_text
from lace_runs.app.ports import Caller, OpenUnitOfWork, Snapshots
from lace_runs.app.results import read_result
from lace_runs.domain.paragraphs.records import Text
from lace_runs.domain.paragraphs.steps import Commissioned, Composed, SupportedText
from lace_runs.domain.runs import Checkpoint

T = TypeVar("T", bound=Struct)


@dataclass(frozen=True)
class Artefact:
    """Something stored that a text is made of; the hash is empty where the reference says it all."""

    kind: str
    reference: str
    sha256: str = ""


@dataclass(frozen=True)
class Rebuilt:
    """A text made again: its bytes, out of what, and the sentences that came out differently, by pointer."""

    text: Text
    data: bytes
    artefacts: tuple[Artefact, ...]
    differences: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether it is the text that is kept, byte for byte."""
        return not self.differences and sha256_hex(self.data) == self.text.content_hash


async def rebuild(
    open_work: OpenUnitOfWork, snapshots: Snapshots, caller: Caller, paragraph_id: str, text_version: int = 0
) -> Rebuilt:
    """The text of that number (0: the one that is shown) made again.

    Raises LaceError PARAGRAPH_NOT_FOUND, PARAGRAPH_EMPTY, and BLOB_* where something that it is made of is lost.
    """
    async with open_work(caller.tenant_id) as work:
        paragraph = await work.paragraphs.get(caller.tenant_id, paragraph_id)
        require_visible(paragraph, caller)
        wanted = text_version or paragraph.text_version
        text = await work.paragraphs.text(caller.tenant_id, paragraph_id, wanted)
        if text is None:
            raise no_text(paragraph)
        run_id = text.making.run_id
        checkpoints = await work.runs.checkpoints(caller.tenant_id, run_id) if run_id else {}
    made, artefacts = await _made(text, checkpoints, snapshots)
    artefacts.append(Artefact("verifier", RULES_VERSION))
    return Rebuilt(text, encode(made), tuple(artefacts), _differences(text.sentences, made))


async def _made(
    text: Text, checkpoints: Mapping[str, Checkpoint], snapshots: Snapshots
) -> tuple[Sequence[SupportedSentence], list[Artefact]]:
    if not text.making.run_id:  # a person's: the sentences with their facts' words are all that there is
        return tuple(remade(text.sentences, text.spec)), [
            Artefact("sentences", f"text/{text.text_version}", text_hash(text.sentences))
        ]
    commissioned, found = await _read(checkpoints, "commission", Commissioned, snapshots)
    artefacts = [Artefact("specification", f"version/{commissioned.spec_version}"), Artefact("facts", *found)]
    composed: Composed | None = None
    if "compose" in checkpoints:
        composed, found = await _read(checkpoints, "compose", Composed, snapshots)
        require_answer(composed, commissioned)
        asked = msgspec.json.encode(question(commissioned))
        artefacts += [
            Artefact("input", contracts.PARAGRAPH.name, sha256_hex(asked)),
            Artefact("prompt", composed.contract, composed.template_hash),
            Artefact("answer", composed.call_id, composed.output_hash),
        ]
    supported, found = await _read(checkpoints, "support", SupportedText, snapshots)
    artefacts += [Artefact("judgement", judging.call_id, found[1]) for judging in supported.judgings]
    sentences = sentences_of(commissioned, composed, text.making.run_id)
    return after_judge(sentences, supported.judgings), artefacts


async def _read(
    checkpoints: Mapping[str, Checkpoint], step_id: str, kind: type[T], snapshots: Snapshots
) -> tuple[T, tuple[str, str]]:
    """A step's result, and its place and hash."""
    if step_id not in checkpoints:
        raise LaceError(Reason.BLOB_NOT_FOUND, f"The result of the step {step_id} is not there any more.")
    checkpoint = checkpoints[step_id]
    found = await read_result(checkpoint, snapshots)
    assert isinstance(found, kind)
    return found, (step_id, checkpoint.output_hash)


def _differences(kept: Sequence[SupportedSentence], made: Sequence[SupportedSentence]) -> tuple[str, ...]:
    longest = max(len(kept), len(made))
    return tuple(f"/sentences/{at}" for at in range(longest) if kept[at : at + 1] != made[at : at + 1])
