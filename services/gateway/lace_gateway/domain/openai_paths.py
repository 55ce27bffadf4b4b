"""Which paths speak OpenAI's shapes and errors."""

from __future__ import annotations

CHAT_COMPLETIONS = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
MODELS = "/v1/models"


def is_openai_path(path: str) -> bool:
    """Whether failures of a request to this path take OpenAI's form."""
    return path in (CHAT_COMPLETIONS, EMBEDDINGS, MODELS) or path.startswith(f"{MODELS}/")
