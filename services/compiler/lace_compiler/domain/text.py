"""How text of the IR becomes text that can be shown in any format: white space, control and direction characters."""

from __future__ import annotations

import re

_BREAKS = re.compile(r"[\t\n\v\f\r \x85\u2028\u2029]+")
_NEWLINES = re.compile(r"\r\n|[\r\x85\u2028\u2029]")

# What XML 1.0 cannot hold, what no font draws and what would reorder its neighbours. \t and \n are dealt with before.
_UNSHOWABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff"
    + "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(1, 17))
    + "]"
)
_DIRECTION = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_OVERRIDES = frozenset("\u202d\u202e")
_CLOSES = {"\u202c": frozenset("\u202a\u202b"), "\u2069": frozenset("\u2066\u2067\u2068")}


def one_line(text: str) -> str:
    """Text as prose shows it: every run of white space one blank, none at the ends, nothing invisible left."""
    return visible(_BREAKS.sub(" ", text)).strip()


def verbatim(text: str) -> str:
    """Program text: line ends unified to LF, tabs and blanks kept, nothing invisible left."""
    return visible(_NEWLINES.sub("\n", text))


def visible(text: str) -> str:
    """Control characters and others that no format shows by their code points, as [U+0007].

    Direction marks that are balanced belong to the text and stay; overrides and unbalanced ones would change how
    their surroundings read, so they are shown instead of obeyed.
    """
    shown = _UNSHOWABLE.sub(_named, text)
    return shown if _direction_is_safe(shown) else _DIRECTION.sub(_named, shown)


def code_point(char: str) -> str:
    """A character that cannot be shown, by its name: [U+XXXX]."""
    return f"[U+{ord(char):04X}]"


def _named(match: re.Match[str]) -> str:
    return code_point(match[0])


def _direction_is_safe(text: str) -> bool:
    opened: list[str] = []
    for mark in _DIRECTION.findall(text):
        if mark in _OVERRIDES:
            return False
        if mark not in _CLOSES:
            opened.append(mark)
        elif not opened or opened.pop() not in _CLOSES[mark]:
            return False
    return not opened
