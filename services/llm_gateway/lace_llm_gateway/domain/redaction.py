"""Finds what must not leave the installation, and puts placeholders in its place that can be taken back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import re2

from lace_core.errors import Detail, LaceError, Reason
from lace_core.redaction import EMAILS, PHONES, SECRETS

MOST_PATTERNS, LONGEST_PATTERN = 32, 200
_MEMORY_BYTES = 8 << 20
# The first that matches at a place names the kind.
_BUILT_IN = {"SECRET": SECRETS, "EMAIL": EMAILS, "PHONE": PHONES}
_KINDS = {"secrets": "SECRET", "emails": "EMAIL", "phones": "PHONE"}
KINDS = tuple(_KINDS)
_OWN = "CUSTOM"
_PLACEHOLDER = "REDACTED_"


@dataclass(frozen=True)
class Policy:
    """What is replaced: `kinds` out of KINDS, and what a tenant's own regular expressions (RE2) find."""

    kinds: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.kinds or self.patterns)


@dataclass
class Placeholders:
    """The placeholders of one call: the same text always gets the same one. `tag` is the call's own, and secret."""

    policy: Policy
    tag: str
    originals: dict[str, str] = field(default_factory=dict)
    _by_original: dict[str, str] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)

    def replace(self, text: str) -> str:
        """The text with placeholders; what a source says about placeholders of its own stays text."""
        pieces: list[str] = []
        end = 0
        for start, stop, kind in _found(self.policy, text):
            pieces += (text[end:start], self._of(kind, text[start:stop]))
            end = stop
        return "".join((*pieces, text[end:])) if pieces else text

    def replace_in(self, value: Any) -> Any:
        """A JSON value with every string in it replaced; keys stay as they are."""
        if isinstance(value, str):
            return self.replace(value)
        if isinstance(value, dict):
            return {key: self.replace_in(item) for key, item in value.items()}
        return [self.replace_in(item) for item in value] if isinstance(value, list) else value

    def _of(self, kind: str, original: str) -> str:
        if original not in self._by_original:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            placeholder = f"{_PLACEHOLDER}{kind}_{self._counts[kind]}_{self.tag}"
            self._by_original[original], self.originals[placeholder] = placeholder, original
        return self._by_original[original]


def finds(policy: Policy, text: str) -> bool:
    """Whether there is anything to replace; raises LaceError SETTING_INVALID for a pattern that is none."""
    return bool(policy) and _expression(policy).search(text) is not None


def _found(policy: Policy, text: str) -> Iterator[tuple[int, int, str]]:
    """Places and kinds in order, without the empty ones."""
    if not policy:
        return
    for match in _expression(policy).finditer(text):
        if match.end() > match.start():
            yield match.start(), match.end(), match.lastgroup


@lru_cache(maxsize=256)
def _expression(policy: Policy) -> Any:
    """One expression for all; RE2 takes time in proportion to the text, whatever the patterns are."""
    check_patterns(policy.patterns)
    own = "|".join(f"(?:{pattern})" for pattern in policy.patterns)
    found = {_OWN: own} if own else {}
    found |= {_KINDS[kind]: "|".join(_BUILT_IN[_KINDS[kind]]) for kind in KINDS if kind in policy.kinds}
    try:
        return re2.compile("|".join(f"(?P<{kind}>{one})" for kind, one in found.items()), _options())
    except re2.error as error:
        raise _invalid(f"cannot be read together: {_said(error)}") from None


def check_patterns(patterns: Sequence[str]) -> None:
    """Raises LaceError SETTING_INVALID for what RE2 cannot read, what is too long, and what finds nothing at all."""
    if len(patterns) > MOST_PATTERNS:
        raise _invalid(f"has more than {MOST_PATTERNS} patterns")
    for pattern in patterns:
        if not pattern or len(pattern) > LONGEST_PATTERN:
            raise _invalid(f"holds a pattern that is empty or longer than {LONGEST_PATTERN} characters")
        try:
            compiled = re2.compile(pattern, _options())
        except re2.error as error:
            raise _invalid(f"holds {pattern!r}, which cannot be read: {_said(error)}") from None
        if compiled.groupindex:
            raise _invalid(f"holds {pattern!r}; groups may have no names here")
        if compiled.fullmatch(""):
            raise _invalid(f"holds {pattern!r}, which matches where there is nothing")


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _MEMORY_BYTES
    options.log_errors = False
    return options


def _said(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _invalid(problem: str) -> LaceError:
    name = "llm.redaction_patterns"
    return LaceError(Reason.SETTING_INVALID, f"{name} {problem}.", details=[Detail(name, problem)])
