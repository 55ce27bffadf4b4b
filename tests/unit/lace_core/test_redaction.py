"""Samples that give no secret away."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lace_core import redaction
from lace_core.redaction import PLAIN_LENGTH, SAMPLE_LENGTH, mask, shown

HEAD = "-----BEGIN RSA PRIVATE " + "KEY-----"
SECRETS = {
    "sk-abcdefghijklmnop": "the key sk-abcdefghijklmnop is old",
    "AKIAABCDEFGHIJKLMNOP": "id AKIAABCDEFGHIJKLMNOP",
    "hunter22": "password: hunter22, said he",
    "eyJhbGciOiJFZERTQSJ9.e30.c2ln": "a token eyJhbGciOiJFZERTQSJ9.e30.c2ln",
    "MIIEpAIBAAKCAQEA": f"{HEAD} MIIEpAIBAAKCAQEA and so on",
    "swordfish": "postgres://admin:swordfish@db/lace",
    "someone@example.com": "write to someone@example.com",
    "4929 1234 5678 9012": "card 4929 1234 5678 9012",
    "abc.def": "Authorization: Bearer abc.def",
}


@pytest.mark.parametrize("secret", SECRETS)
def test_what_looks_like_a_secret_is_masked_and_the_words_around_it_stay(secret: str) -> None:
    text = SECRETS[secret]
    masked = mask(text)
    assert secret not in masked
    assert "[redacted]" in masked
    assert masked.split()[0] == text.split()[0] or masked.startswith("[redacted]")


def test_ordinary_words_and_figures_stay() -> None:
    text = "In 2021 the bridge cost 4.2 million pounds; the secretary signed on 3 May."
    assert mask(text) == text


@given(st.text(max_size=3000))
def test_a_sample_is_short_and_on_one_line(text: str) -> None:
    sample = shown(text, "sample")
    assert len(sample) <= SAMPLE_LENGTH
    assert "\n" not in sample


@given(st.text(max_size=300))
def test_levels_show_nothing_some_or_all(text: str) -> None:
    assert shown(text, "hash") == ""
    assert shown(text, "none") == text
    assert len(shown(text * 60, "none")) <= PLAIN_LENGTH


@pytest.mark.parametrize("padding", range(0, 260, 13))
def test_a_secret_is_masked_wherever_the_sample_ends(padding: int) -> None:
    sample = shown("x " * (padding // 2) + "sk-" + "a1" * 40, "sample")
    assert "a1a1" not in sample


def _with_every_expression(text: str) -> str:
    """What `mask` comes to without looking for signs first."""
    secrets = "|".join(redaction.SECRETS).replace(r"\z", r"\Z")
    for expression in (secrets, *redaction.EMAILS, "|".join(redaction.PHONES), r"\b(?:\d[ -]?){12,19}\b"):
        text = re.sub(expression, "[redacted]", text)
    return text


_FOUND = [expression.replace(r"\z", r"\Z") for expression in (*redaction.SECRETS, *redaction.EMAILS, *redaction.PHONES)]


@given(
    st.lists(st.one_of([st.text(max_size=12), *(st.from_regex(expression) for expression in _FOUND)]), max_size=4),
    st.sampled_from(["", " ", "\n", ": "]),
)
@example(["\u017fecret: abcdefgh", "to\u212aen=abcdefgh"], " ")
def test_what_has_no_sign_of_a_secret_holds_none(pieces: list[str], between: str) -> None:
    text = between.join(pieces)
    assert mask(text) == _with_every_expression(text)


def _sample_of_all(text: str) -> str:
    """What a sample comes to where all that is searched is masked first."""
    masked = mask(" ".join(text[:2000].split()))
    return masked if len(masked) <= SAMPLE_LENGTH else masked[: SAMPLE_LENGTH - 1].rstrip() + "\u2026"


@given(
    st.integers(0, 260),
    st.lists(st.one_of([st.text(max_size=12), *(st.from_regex(expression) for expression in _FOUND)]), max_size=4),
    st.sampled_from(["", " ", "\n", "      "]),
    st.integers(0, 900),
)
@example(199, ["a" * 64 + "@example.com"], "", 0)
@example(198, ["\u017fecret: abcdefgh"], " ", 700)
def test_a_sample_is_what_masking_everything_shows(before: int, pieces: list[str], between: str, after: int) -> None:
    text = "x" * before + between.join(["", *pieces]) + " y" * after
    assert shown(text, "sample") == _sample_of_all(text)
