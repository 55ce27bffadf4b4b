"""Counts tokens with the tables that come in a wheel; nothing is fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import orjson
from rs_bpe.bpe import openai

from lace_llm_gateway.domain import tokens
from lace_llm_gateway.domain.calibration import Calibration
from lace_llm_gateway.domain.calls import Counted, CountMethod
from lace_llm_gateway.domain.capabilities import ModelCapability
from lace_llm_gateway.domain.exchange import Message
from lace_llm_gateway.domain.tokens import Family

Schema = Mapping[str, Any] | None


class BpeTokenCounter:
    """The model's own table where the matrix says that it is at hand, a bound that is never too low for all others."""

    def __init__(self) -> None:
        self._calibration = Calibration()

    def count(self, model: ModelCapability, messages: Sequence[Message], output_schema: Schema = None) -> Counted:
        """See app.ports.TokenCounter.count; a bound with a schema, as nobody says how it is written into the prompt."""
        family, exact = tokens.family_of(model.model), _is_exact(model)
        added = tokens.format_of(family)
        found = added.request + sum(added.message + _tokens(family, m.content, exact) for m in messages)
        if output_schema is not None:
            found += added.schema + _tokens(family, _written(output_schema), exact)
            exact = False
        return self._calibrated(model, found, exact)

    def count_text(self, model: ModelCapability, text: str) -> Counted:
        """See app.ports.TokenCounter.count_text."""
        exact = _is_exact(model)
        return self._calibrated(model, _tokens(tokens.family_of(model.model), text, exact), exact)

    def bound(self, model: ModelCapability, messages: Sequence[Message], output_schema: Schema = None) -> Counted:
        """See app.ports.TokenCounter.bound."""
        added = tokens.format_of(tokens.family_of(model.model))
        found = added.request + sum(added.message + tokens.byte_bound(m.content) for m in messages)
        if output_schema is not None:
            found += added.schema + tokens.byte_bound(_written(output_schema))
        return self._calibrated(model, found, exact=False)

    def observe(
        self, model: ModelCapability, messages: Sequence[Message], output_schema: Schema, reported: int
    ) -> None:
        """See app.ports.TokenCounter.observe; most reports are known to be low enough without counting."""
        # Where its own table is at hand, that table (65 MiB) is not loaded to hear that ordinary text is ordinary.
        least = reported * (_ORDINARY_BYTES if _is_exact(model) else _LEAST_BYTES)
        if least <= sum([len(message.content) for message in messages]):  # no more than the bound, and had for nothing
            return
        most = self.bound(model, messages, output_schema).tokens
        if least <= most:
            return
        found = self.count(model, messages, output_schema).tokens
        self._calibration.observe(model.model, found, reported, most)

    def _calibrated(self, model: ModelCapability, found: int, exact: bool) -> Counted:
        raised = self._calibration.raised(model.model, found)
        is_exact = exact and raised == found
        return Counted(raised, CountMethod.TOKENIZER if is_exact else CountMethod.BOUND)


# No text is charged less than a token for four bytes (a word of five letters and its space, a token and two thirds, is
# the least), so a report of fewer is below the bound, and need not be compared.
_LEAST_BYTES = 4
_ORDINARY_BYTES = 3


class _Charges(dict[int, int]):
    """What each token of the table is charged, worked out when it is first met."""

    def __missing__(self, token: int) -> int:
        charge = self[token] = tokens.charge(_table(Family.O200K).decode([token]))
        return charge


_CHARGES = _Charges()


def _tokens(family: Family, text: str, exact: bool) -> int:
    try:
        if exact:
            return int(_table(family).count(text))
        charged = sum(map(_CHARGES.__getitem__, _table(Family.O200K).encode(text)))
    except UnicodeEncodeError:  # half of a character pair, which no table knows
        return tokens.byte_bound(text)
    return min(-(-charged // tokens.SIXTHS) + tokens.beyond_ascii(text), tokens.byte_bound(text))


@cache
def _table(family: Family) -> Any:
    return openai.cl100k_base() if family is Family.CL100K else openai.o200k_base()


def _is_exact(model: ModelCapability) -> bool:
    own = tokens.family_of(model.model) in (Family.O200K, Family.CL100K)
    return own and model.count_method is CountMethod.TOKENIZER


def _written(schema: Mapping[str, Any]) -> str:
    return orjson.dumps(schema).decode()
