"""Escapes for GitHub-flavoured Markdown: any text comes back from a parser to the character."""

from __future__ import annotations

import re

# Characters that can open or close an inline construct wherever they stand ($ opens mathematics on GitHub).
_ALWAYS = re.compile(r"[\\`*\[\]<>|~$]")
# A reference such as &amp; or &#35;.
_ENTITY = re.compile(r"&(?=#?\w)")
# An underscore makes emphasis only at the edge of a word: snake_case stays readable.
_EDGE_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
# What makes a line a heading, quote, list item, rule, underline or the second row of a table.
_LINE_START = re.compile(r"^(?=[#>+\-=:])")
_ORDINAL = re.compile(r"^(\d{1,9})([.)])(?= |$)")


def inline(text: str) -> str:
    """Text for the middle of a line."""
    escaped = _ALWAYS.sub(r"\\\g<0>", text)
    return _EDGE_UNDERSCORE.sub(r"\\_", _ENTITY.sub(r"\\&", escaped))


def line_start(escaped: str) -> str:
    """Text escaped by `inline`, made safe to begin a line."""
    return _ORDINAL.sub(r"\1\\\2", _LINE_START.sub(r"\\", escaped))


def heading(text: str) -> str:
    """Text for a heading, whose trailing # would be taken for decoration."""
    return inline(text).replace("#", "\\#")


def fence(text: str, language: str = "") -> list[str]:
    """The lines of a fenced code block that no run of backticks in the text can close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    mark = "`" * max(3, longest + 1)
    info = language if re.fullmatch(r"[\w+#.\-]+", language, re.ASCII) else ""
    return [mark + info, *text.removesuffix("\n").split("\n"), mark]
