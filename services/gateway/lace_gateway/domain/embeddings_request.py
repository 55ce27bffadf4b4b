"""POST /v1/embeddings: what its body may hold."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from lace_gateway.domain.chat_request import decoded, refused

_LARGEST_VECTOR = 65_536


class EmbeddingsRequest(Struct):
    """The body, as far as it is known here; `input` as token ids is not taken, since each model has its own."""

    model: str
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


_decoder = msgspec.json.Decoder(EmbeddingsRequest)


def embeddings_request(body: bytes) -> EmbeddingsRequest:
    """The request; raises LaceError INVALID_ARGUMENT that names the field."""
    request: EmbeddingsRequest = decoded(_decoder, body)
    if request.dimensions is not None and not 1 <= request.dimensions <= _LARGEST_VECTOR:
        raise refused("dimensions", f"must be from 1 to {_LARGEST_VECTOR}")
    return request


def inputs_of(request: EmbeddingsRequest) -> list[str]:
    """The texts; raises LaceError INVALID_ARGUMENT."""
    given = [request.input] if isinstance(request.input, str) else request.input
    if not given:
        raise refused("input", "must hold at least one text")
    texts: list[str] = []
    for number, text in enumerate(given):
        if not isinstance(text, str):
            raise refused("input", "token ids are not supported; send the text")
        if not text or "\0" in text:
            raise refused(f"input[{number}]", "may not be empty or hold the character U+0000")
        texts.append(text)
    return texts
