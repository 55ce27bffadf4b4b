"""Models as settings name them: provider/model, where the model's own name may hold slashes."""

from __future__ import annotations

import re

from lace_core.errors import LaceError, Reason

_NAME = re.compile(r"([a-z][a-z0-9_-]{0,63})(?:/([^\s=]{1,128}))?")


def model_name(text: str) -> tuple[str, str]:
    """(provider, model) of openai/gpt-4o; the model is empty where only a provider is named.

    Raises LaceError SETTING_INVALID.
    """
    found = _NAME.fullmatch(text)
    if found is None:
        raise LaceError(Reason.SETTING_INVALID, f"{text[:200]!r} is no model like openai/gpt-4o.")
    return found[1], found[2] or ""
