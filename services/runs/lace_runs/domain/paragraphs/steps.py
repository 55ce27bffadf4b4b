"""What the steps of a paragraph's run leave: all that its text can be made of again."""

from __future__ import annotations

from msgspec import Struct

from lace_core.contracts import ParagraphText
from lace_core.judging import Judging
from lace_core.paragraphs.facts import AllowedFact
from lace_core.paragraphs.spec import ParagraphSpec
from lace_core.paragraphs.support import SupportedSentence, Unmet


class _Output(Struct, frozen=True, kw_only=True):
    pass


class Commissioned(_Output, frozen=True):
    """The specification as it was when the run began, and the facts of it that can be used, in its order.

    `sentences` are those of the text that is to be verified, which is `text_version`; none where one is to be written.
    The specification has the phrases that the policy forbids; `house_rules` are what it says to the writer.
    """

    paragraph_id: str
    spec: ParagraphSpec
    spec_version: int
    facts: tuple[AllowedFact, ...]
    text_version: int = 0
    sentences: tuple[SupportedSentence, ...] = ()
    house_rules: tuple[str, ...] = ()


class Composed(_Output, frozen=True):
    """The model's answer as it came, and the call that gave it as the ledger has it."""

    answer: ParagraphText
    call_id: str
    contract: str
    template_hash: str
    model: str
    input_hash: str
    output_hash: str


class SupportedText(_Output, frozen=True):
    """Every sentence with its verdict; `judgings` are the questions to a judge, none where none was asked."""

    sentences: tuple[SupportedSentence, ...]
    unmet: tuple[Unmet, ...]
    verifier_version: str
    judgings: tuple[Judging, ...] = ()


class SettledText(_Output, frozen=True):
    """The text that the paragraph has now, where it is in its life, and how many sentences wait for review."""

    paragraph_id: str
    text_version: int
    content_hash: str
    state: str
    standing: int
    withheld: int
    review_items: int = 0
