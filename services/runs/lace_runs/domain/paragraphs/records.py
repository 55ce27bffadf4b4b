"""What is kept of a paragraph: its row, and every text that was written to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from lace_core.errors import LaceError, Reason
from lace_core.paragraphs.spec import ParagraphSpec
from lace_core.paragraphs.support import SupportedSentence, Unmet, text_hash
from lace_runs.domain.paragraphs.states import ParagraphState, ParagraphTrigger, outcome, transition

GENERATE = "paragraph"
VERIFY = "verify_paragraph"
MODEL, PERSON = "model", "person"


@dataclass(frozen=True, kw_only=True)
class Landing:
    """Where a paragraph's sentences were put last."""

    artifact_id: str
    revision_id: str
    node_id: str
    block_id: str
    text_version: int


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """The row of a paragraph. `text_version` is 0 where no text is shown, `texts` counts all that were written.

    `run_id` and `run_pipeline_id` are those of the last run; `error_code` is empty unless that failed. `labels` are
    those of the sources of its facts. `version` counts its changes.
    """

    tenant_id: str
    paragraph_id: str
    spec: ParagraphSpec
    labels: tuple[str, ...]
    created_by: str
    created_at: datetime
    updated_at: datetime
    state: ParagraphState = ParagraphState.DRAFT
    spec_version: int = 1
    artifact_id: str = ""
    node_id: str = ""
    text_version: int = 0
    texts: int = 0
    run_id: str = ""
    run_pipeline_id: str = ""
    error_code: str = ""
    error_message: str = ""
    landing: Landing | None = None
    version: int = 1

    @property
    def etag(self) -> str:
        """Names this state of it."""
        return f"{self.paragraph_id}-{self.version}"

    def moved(self, trigger: ParagraphTrigger, at: datetime) -> Paragraph:
        """After the trigger; raises LaceError PARAGRAPH_TRANSITION_ILLEGAL."""
        return replace(self, state=transition(self.state, trigger), updated_at=at)

    def require_etag(self, etag: str) -> None:
        """Raises LaceError ETAG_MISMATCH where one is given and this is not it."""
        if etag and etag != self.etag:
            raise LaceError(Reason.ETAG_MISMATCH, "The paragraph changed since you read it; read it again.")


@dataclass(frozen=True, kw_only=True)
class Making:
    """How a text came to be: the run and the model's call with its contract, prompt and input; empty for a person."""

    origin: str
    created_by: str
    run_id: str = ""
    call_id: str = ""
    contract: str = ""
    template_hash: str = ""
    model: str = ""
    input_hash: str = ""


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text as it was written and judged; it never changes."""

    text_version: int
    spec_version: int
    spec: ParagraphSpec
    making: Making
    verifier_version: str
    content_hash: str
    sentences: tuple[SupportedSentence, ...]
    unmet: tuple[Unmet, ...]
    created_at: datetime

    def require_intact(self) -> Text:
        """The text; raises LaceError IR_CORRUPT where it was altered since: nothing of it is shown or built on."""
        if text_hash(self.sentences) != self.content_hash:
            raise LaceError(Reason.IR_CORRUPT, f"Text {self.text_version} of the paragraph does not match its hash.")
        return self

    @property
    def standing(self) -> tuple[SupportedSentence, ...]:
        """The content: what may be shown to everybody who may see the paragraph."""
        return tuple(sentence for sentence in self.sentences if sentence.stands)

    @property
    def withheld(self) -> tuple[SupportedSentence, ...]:
        """What does not stand."""
        return tuple(sentence for sentence in self.sentences if not sentence.stands)


def with_text(
    paragraph: Paragraph,
    sentences: tuple[SupportedSentence, ...],
    unmet: tuple[Unmet, ...],
    making: Making,
    verifier_version: str,
    at: datetime,
) -> tuple[Paragraph, Text]:
    """The paragraph after a text was written to it or verified anew, and that text.

    Raises LaceError PARAGRAPH_TRANSITION_ILLEGAL where nobody writes or verifies it.
    """
    text = Text(
        text_version=paragraph.texts + 1,
        spec_version=paragraph.spec_version,
        spec=paragraph.spec,
        making=making,
        verifier_version=verifier_version,
        content_hash=text_hash(sentences),
        sentences=sentences,
        unmet=unmet,
        created_at=at,
    )
    came = outcome(len(text.standing), len(text.withheld), len(unmet))
    moved = replace(
        paragraph.moved(came, at),
        texts=text.text_version,
        text_version=text.text_version,
        error_code="",
        error_message="",
    )
    return moved, text
