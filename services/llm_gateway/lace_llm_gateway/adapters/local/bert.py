"""The forward pass of a BERT sentence encoder in numpy: token ids in, one unit vector out.

Devlin et al., BERT (2019), as all-MiniLM-L6-v2 uses it: embeddings, six layers of attention and feed-forward, each with
a residual and a layer normalisation behind it, the mean over all tokens, divided by its length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Of numpy, in float32; its types are not there where it is not installed, and checks are to be the same everywhere.
Array = Any

# erf is taken from a table of its values and its slope, and continued by Taylor's series to the second order:
# with this step the third is below 1e-10, far less than a float32 can tell.
_STEPS_PER_UNIT = 1024
_LARGEST = 4.5  # erf is 1 from here on, to a float32


@dataclass(frozen=True)
class Shape:
    """Sizes of a model: layers, attention heads, and the epsilon of its layer normalisations."""

    layers: int
    heads: int
    epsilon: float


class Encoder:
    """One model; `weights` are by the names that its file has them under. Not for several threads at once."""

    def __init__(self, weights: Mapping[str, Array], shape: Shape) -> None:
        import numpy as np

        self._np = np
        self._shape = shape
        self._word = weights["embeddings.word_embeddings.weight"]
        self._position = (
            weights["embeddings.position_embeddings.weight"] + (weights["embeddings.token_type_embeddings.weight"][0])
        )
        self._norm = _pair(weights, "embeddings.LayerNorm")
        self._layers = [_layer(weights, f"encoder.layer.{number}", np) for number in range(shape.layers)]
        self._erf, self._slope = _erf_table(np)

    def encode(self, ids: Sequence[int]) -> Array:
        """The unit vector of a text given by its token ids, [CLS] and [SEP] included; shape (width,)."""
        np = self._np
        x = self._normed(self._word[np.asarray(ids)] + self._position[: len(ids)], self._norm)
        for layer in self._layers:
            x = self._normed(x + self._attended(x, layer), layer.attention_norm)
            inner = self._gelu(x @ layer.widen[0] + layer.widen[1])
            x = self._normed(x + (inner @ layer.narrow[0] + layer.narrow[1]), layer.output_norm)
        mean = x.mean(axis=0)
        unit: Array = mean / max(float(np.sqrt((mean * mean).sum())), 1e-12)
        return unit

    def _attended(self, x: Array, layer: _Layer) -> Array:
        """Scaled dot-product attention over all heads (Vaswani et al., 2017)."""
        np, heads = self._np, self._shape.heads
        tokens, width = x.shape
        joined = (x @ layer.attend[0] + layer.attend[1]).reshape(tokens, 3, heads, width // heads)
        query, key, value = joined.transpose(1, 2, 0, 3)
        scores = query @ key.transpose(0, 2, 1) / np.float32(math.sqrt(width // heads))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weighted = (scores / scores.sum(axis=-1, keepdims=True)) @ value
        mixed: Array = weighted.transpose(1, 0, 2).reshape(tokens, width) @ layer.mix[0] + layer.mix[1]
        return mixed

    def _normed(self, x: Array, scale: tuple[Array, Array]) -> Array:
        np = self._np
        centred = x - x.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(self._shape.epsilon))
        normed: Array = centred / spread * scale[0] + scale[1]
        return normed

    def _gelu(self, x: Array) -> Array:
        """x · Φ(x), with Φ the normal distribution: x/2 · (1 + erf(x / √2))."""
        np = self._np
        z = np.clip(x * np.float32(math.sqrt(0.5)), -_LARGEST, _LARGEST)
        index = np.rint(z * _STEPS_PER_UNIT).astype(np.int32)
        near = index.astype(np.float32) / _STEPS_PER_UNIT
        away = z - near
        index += int(_LARGEST * _STEPS_PER_UNIT)
        erf = self._erf[index] + self._slope[index] * away * (1 - near * away)
        activated: Array = x * np.float32(0.5) * (1 + erf)
        return activated


@dataclass(frozen=True)
class _Layer:
    attend: tuple[Any, Any]
    mix: tuple[Any, Any]
    attention_norm: tuple[Any, Any]
    widen: tuple[Any, Any]
    narrow: tuple[Any, Any]
    output_norm: tuple[Any, Any]


def _layer(weights: Mapping[str, Array], name: str, np: Any) -> _Layer:
    parts = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
    joined = np.concatenate([weights[f"{part}.weight"] for part in parts])
    return _Layer(
        attend=(joined.T, np.concatenate([weights[f"{part}.bias"] for part in parts])),
        mix=_dense(weights, f"{name}.attention.output.dense"),
        attention_norm=_pair(weights, f"{name}.attention.output.LayerNorm"),
        widen=_dense(weights, f"{name}.intermediate.dense"),
        narrow=_dense(weights, f"{name}.output.dense"),
        output_norm=_pair(weights, f"{name}.output.LayerNorm"),
    )


def _dense(weights: Mapping[str, Array], name: str) -> tuple[Array, Array]:
    return weights[f"{name}.weight"].T, weights[f"{name}.bias"]


def _pair(weights: Mapping[str, Array], name: str) -> tuple[Array, Array]:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]


def _erf_table(np: Any) -> tuple[Array, Array]:
    reach = int(_LARGEST * _STEPS_PER_UNIT)
    places = [step / _STEPS_PER_UNIT for step in range(-reach, reach + 1)]
    values = [math.erf(place) for place in places]
    slopes = [2 / math.sqrt(math.pi) * math.exp(-place * place) for place in places]
    return np.array(values, np.float32), np.array(slopes, np.float32)
