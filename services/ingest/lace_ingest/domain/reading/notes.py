"""Puts notes behind what refers to them, and names on each unit the others that it belongs with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from lace_ingest.domain.documents import Unit
from lace_ingest.domain.reading.anchors import take_anchors
from lace_ingest.domain.reading.pieces import Note, Piece, texts_of

_DEPTH = 8  # a note may refer to a note


def with_notes_in_place(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces, each note behind the first that refers to it; one to which none refers stays where it stands."""
    notes: dict[str, list[Note]] = {}
    for piece in pieces:
        if isinstance(piece, Note):
            notes.setdefault(piece.key, []).append(piece)
    wanted = {key for piece in pieces for key in _keys(piece) if key in notes}
    done: set[str] = set()
    result: list[Piece] = []
    for piece in pieces:
        if not isinstance(piece, Note):
            result.append(piece)
            result.extend(_followers(piece, notes, done, _DEPTH))
        elif piece.key not in wanted:
            result.append(piece)
    # Notes that refer to nothing but each other have no first place: they close the document.
    result.extend(note for key, found in notes.items() if key in wanted - done for note in found)
    return result


def _followers(piece: Piece, notes: Mapping[str, Sequence[Note]], done: set[str], depth: int) -> Iterator[Note]:
    for key in _keys(piece):
        if key in notes and key not in done and depth:
            done.add(key)
            for note in notes[key]:
                yield note
                yield from _followers(note, notes, done, depth - 1)


def _keys(piece: Piece) -> Iterator[str]:
    return (key for text in texts_of(piece) for _, key in take_anchors(text)[1])


def unreferred(pieces: Iterable[Piece]) -> list[Note]:
    """The notes to which nothing refers."""
    kept = list(pieces)
    wanted = {key for piece in kept for key in _keys(piece)}
    return [piece for piece in kept if isinstance(piece, Note) and piece.key not in wanted]


def linked(units: Sequence[Unit], own: Mapping[str, str], referred: Mapping[str, Sequence[str]]) -> tuple[Unit, ...]:
    """The units with their notes named on both sides.

    `own` gives the key of each unit that is a note, `referred` the keys to which each unit refers, by unit id.
    """
    by_key: dict[str, list[str]] = {}
    for unit_id, key in own.items():
        by_key.setdefault(key, []).append(unit_id)
    sources: dict[str, list[str]] = {}
    for unit_id, keys in referred.items():
        for key in dict.fromkeys(keys):
            sources.setdefault(key, []).append(unit_id)
    result: list[Unit] = []
    for unit in units:
        notes = tuple(note for key in dict.fromkeys(referred.get(unit.unit_id, ())) for note in by_key.get(key, ()))
        result.append(replace(unit, notes=notes, referred_from=tuple(sources.get(own.get(unit.unit_id, ""), ()))))
    return tuple(result)
