"""Counts tokens with the tables that come in a wheel; nothing is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from rs_bpe.bpe import openai

from lace_llm_gateway.domain.calls import Counted, CountMethod
from lace_llm_gateway.domain.capabilities import ModelCapability
from lace_llm_gateway.domain.exchange import Message

_PER_MESSAGE, _PER_REPLY = 4, 3
# Tokenizers of other families split the same text into up to a third more tokens than o200k.
_BOUND_NUMERATOR, _BOUND_DENOMINATOR = 4, 3


class BpeTokenCounter:
    """o200k for models that use it, an upper bound from it for all others."""

    def count(self, model: ModelCapability, messages: Sequence[Message]) -> Counted:
        """Tokens of a chat request: its texts and what the format adds to each message."""
        found = sum(_PER_MESSAGE + _table().count(message.content) for message in messages) + _PER_REPLY
        return _as(model, found)

    def count_text(self, model: ModelCapability, text: str) -> Counted:
        """Tokens of a text."""
        return _as(model, _table().count(text))


@cache
def _table() -> Any:
    return openai.o200k_base()


def _as(model: ModelCapability, found: int) -> Counted:
    if model.count_method is CountMethod.TOKENIZER:
        return Counted(found, CountMethod.TOKENIZER)
    return Counted(-(-found * _BOUND_NUMERATOR // _BOUND_DENOMINATOR), CountMethod.BOUND)
