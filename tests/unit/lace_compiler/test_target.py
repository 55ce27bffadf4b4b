"""Targets by name, and the names of their files."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_compiler.domain.target import Target, filename, target_of
from lace_core.errors import LaceError, Reason


def test_an_unknown_target_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LaceError, match="md, docx, pdf, owl") as caught:
        target_of("epub")
    assert caught.value.reason is Reason.COMPILE_TARGET_UNKNOWN


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("The Upper Kiln: state & use", "the-upper-kiln-state-use.pdf"),
        ("../../etc/passwd", "etc-passwd.pdf"),
        ("Öfen — größer", "öfen-grösser.pdf"),
        ("窯", "窯.pdf"),
        ("???", "document.pdf"),
    ],
)
def test_file_names(title: str, name: str) -> None:
    assert filename(title, Target.PDF) == name


@given(st.text(), st.sampled_from(Target))
def test_a_file_name_is_safe_anywhere(title: str, target: Target) -> None:
    name = filename(title, target)
    assert re.fullmatch(rf"[^\W_]+(-[^\W_]+)*\.{target.extension}", name)
    assert len(name) <= 90
