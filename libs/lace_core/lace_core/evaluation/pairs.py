"""Labelled pairs of a sentence and its evidence, and sets of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from msgspec import Struct

from lace_core.errors import Detail

SUPPORTED: Final = "supported"
NOT: Final = "not"
Label = Literal["supported", "not"]


class Quoted(Struct, frozen=True, forbid_unknown_fields=True):
    """An exact span of a source; `file` tells the sources apart, and may be empty."""

    quote: str
    file: str = ""


class Pair(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sentence and what it cites. `label` says whether a careful reader of the evidence alone would agree.

    `kind` is how the sentence was made out of the evidence; `expected` the one right verdict, where there is one.
    """

    id: str
    kind: str
    label: Label
    sentence: str
    evidence: tuple[Quoted, ...]
    why: str = ""
    expected: str = ""


class PairSet(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pairs under a name."""

    name: str = msgspec.field(name="set")
    about: str
    pairs: tuple[Pair, ...]


def decode(data: bytes) -> PairSet:
    """A set out of its JSON file; raises msgspec.ValidationError or DecodeError."""
    return msgspec.json.decode(data, type=PairSet)


def quotes_of(evidence: Sequence[Quoted]) -> tuple[str, ...]:
    """The quotes to hold a sentence against: lines of a table out of one source are one quote, as in a document."""
    tables: dict[str, list[str]] = {}
    found: dict[tuple[str, str], str] = {}
    for piece in evidence:
        if " | " in piece.quote:
            tables.setdefault(piece.file, []).append(piece.quote)
            found[piece.file, ""] = "\n".join(tables[piece.file])
        else:
            found[piece.file, piece.quote] = piece.quote
    return tuple(found.values())


def problems(pairs: Sequence[Pair]) -> list[Detail]:
    """What is wrong with pairs that are to be measured together, each with the JSON Pointer of its cause."""
    found: list[Detail] = []
    first: dict[str, int] = {}
    kinds: dict[str, Label] = {}
    for index, pair in enumerate(pairs):
        if pair.id in first:
            found.append(
                Detail(f"/pairs/{index}/id", f"is that of /pairs/{first[pair.id]} as well; name each pair once")
            )
        first.setdefault(pair.id, index)
        if kinds.setdefault(pair.kind, pair.label) != pair.label:
            found.append(
                Detail(f"/pairs/{index}/label", f"differs within the kind {pair.kind}; give it a kind of its own")
            )
    return found
