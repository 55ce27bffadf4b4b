"""Text of the IR becomes text that any format can hold, and nothing of it is lost."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_compiler.domain.text import one_line, verbatim, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("  two\n lines\t and  more ", "two lines and more"),
        ("bell\x07", "bell[U+0007]"),
        ("nul\x00 del\x7f c1\x9b", "nul[U+0000] del[U+007F] c1[U+009B]"),
        ("not a character \ufffe \U0001ffff", "not a character [U+FFFE] [U+1FFFF]"),
        ("no-break\u00a0space stays", "no-break\u00a0space stays"),
        ("override \u202eend\u202c", "override [U+202E]end[U+202C]"),
        ("balanced \u2067שלום\u2069 stays", "balanced \u2067שלום\u2069 stays"),
        ("left open \u2066here", "left open [U+2066]here"),
        ("closed by the wrong one \u202a\u2069", "closed by the wrong one [U+202A][U+2069]"),
        ("line\u2028and paragraph\u2029separators", "line and paragraph separators"),
    ],
)
def test_one_line(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_verbatim_keeps_blanks_tabs_and_lines() -> None:
    assert verbatim("  a\t b\r\n\n c\r d\x0c") == "  a\t b\n\n c\n d[U+000C]"


@given(st.text())
def test_what_is_shown_can_stand_in_xml_and_shows_no_override(text: str) -> None:
    shown = one_line(text)
    assert not any(unicodedata.category(char) == "Cc" for char in shown)
    assert not re.search("[\ufffe\uffff\u202d\u202e]", shown)
    assert shown == shown.strip()


@given(st.text())
def test_showing_again_changes_nothing(text: str) -> None:
    assert one_line(one_line(text)) == one_line(text)
    assert verbatim(verbatim(text)) == verbatim(text)


@given(st.text(alphabet=st.characters(exclude_categories=("C", "Z"))))
def test_ordinary_characters_are_never_touched(text: str) -> None:
    assert visible(text) == text
