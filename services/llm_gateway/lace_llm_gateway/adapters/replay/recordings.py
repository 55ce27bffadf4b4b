"""Recorded calls as files: one for each input and model, readable, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict
from pathlib import Path

import msgspec
from msgspec import Struct

from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.domain.exchange import ProviderAnswer

_FORMAT = 1
_HASH_DIGITS, _MODEL_DIGITS = 32, 16


class _Recording(Struct, forbid_unknown_fields=True):
    format: int
    input_hash: str
    model: str
    answer: ProviderAnswer


class Recordings:
    """A folder of recordings."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, input_hash: str, model: str) -> ProviderAnswer:
        """The answer to that input. Raises LaceError RECORDING_NOT_FOUND, RECORDING_CORRUPT."""
        path = self._path(input_hash, model)
        try:
            found = _decoded(path)
        except FileNotFoundError:
            said = f"No recording of this input with the model {model} ({path.name})."
            raise LaceError(Reason.RECORDING_NOT_FOUND, said) from None
        if (found.format, found.input_hash, found.model) != (_FORMAT, input_hash, model):
            raise LaceError(Reason.RECORDING_CORRUPT, f"The recording {path.name} is of another input or model.")
        return found.answer

    def write(self, input_hash: str, model: str, answer: ProviderAnswer) -> None:
        """Keep the answer; one of the same input and model is replaced."""
        held = {"format": _FORMAT, "input_hash": input_hash, "model": model, "answer": asdict(answer)}
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=self._folder, suffix=".partial")
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(held), indent=2) + b"\n")
        os.replace(partial, self._path(input_hash, model))

    def models(self) -> tuple[str, ...]:
        """The models of which there are recordings, sorted."""
        return tuple(sorted({_decoded(path).model for path in self._folder.glob("*.json")}))

    def _path(self, input_hash: str, model: str) -> Path:
        # A model may be called what is no name of a file.
        named = f"{input_hash[:_HASH_DIGITS]}-{sha256_hex(model.encode())[:_MODEL_DIGITS]}.json"
        return self._folder / named


def _decoded(path: Path) -> _Recording:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Recording)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise LaceError(Reason.RECORDING_CORRUPT, f"The recording {path.name} cannot be read.") from None
