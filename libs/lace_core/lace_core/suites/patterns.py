"""Patterns that people write, matched by RE2: in time proportional to the text, whatever the pattern."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

_MEMORY_BYTES = 4 << 20


def pattern_problem(pattern: str) -> str:
    """What is wrong with a pattern, empty where nothing is."""
    try:
        compiled = compiled_pattern(pattern)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        told = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        return f"This pattern cannot be read: {told}. RE2 has no look-around and no back-references."
    return "This pattern matches where there is nothing." if compiled.search("") else ""


@lru_cache(maxsize=1024)
def compiled_pattern(pattern: str) -> Any:
    """The pattern, in which case makes no difference; raises re2.error."""
    options = re2.Options()
    options.max_mem = _MEMORY_BYTES
    options.log_errors = False
    options.case_sensitive = False
    return re2.compile(pattern, options)


@lru_cache(maxsize=4096)
def word_pattern(word: str) -> Any:
    """Finds a word or phrase as such: not within other words, any white space between its own."""
    parts = r"\s+".join(re2.escape(part) for part in word.split())
    return compiled_pattern(rf"(?:^|[^\pL\pN_])({parts})(?:$|[^\pL\pN_])")
