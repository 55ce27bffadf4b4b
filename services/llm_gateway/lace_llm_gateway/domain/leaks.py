"""Tells whether an answer gives away what was said to the model in confidence: the nonce, or its instructions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from lace_core.errors import LaceError, Reason

# Twelve words in a row that stand in the instructions, and in nothing that the model may repeat, are no chance.
RUN_OF_WORDS = 12
Run = tuple[str, ...]
_WORD = re.compile(r"[^\W_]+")
_NO_HEX = re.compile(r"[^0-9a-f]")


def refuse_leaks(answer: str, *, nonces: Sequence[str], instructions: Sequence[str], given: Sequence[str]) -> None:
    """Raises LaceError PROVIDER_OUTPUT_LEAKED; `given` is what the model may repeat: the data and the user's words.

    The nonce is found however it is written apart or in capitals; instructions by runs of words, whatever stands
    between them. What an answer puts in other words is not found.
    """
    letters = _NO_HEX.sub("", answer.casefold()) if nonces else ""
    if any(nonce in letters for nonce in nonces):
        raise _leaked("the mark that keeps data apart from instructions")
    secret = frozenset[Run]().union(*map(_known_runs, instructions))
    told = {run for text in _texts(answer) for run in _runs(_words(text)) if run in secret}
    if told and not told <= {run for text in given for run in _runs(_words(text))}:
        raise _leaked("its instructions")


def _texts(answer: str) -> Iterable[str]:
    """The strings of a JSON answer, whose names are asked for by the instructions; else the answer itself."""
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return (answer,)
    return _strings(value)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


@lru_cache(maxsize=64)
def _known_runs(text: str) -> frozenset[Run]:
    return frozenset(_runs(_words(text)))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _runs(words: Sequence[str]) -> Iterator[Run]:
    return (tuple(words[at : at + RUN_OF_WORDS]) for at in range(len(words) - RUN_OF_WORDS + 1))


def _leaked(what: str) -> LaceError:
    return LaceError(Reason.PROVIDER_OUTPUT_LEAKED, f"The answer repeats {what}, and was thrown away.", retryable=True)
