"""Page tokens and sizes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core.errors import LaceError, Reason
from lace_platform.paging import PageTokens, page_size

_ROUTE = "/lace.runs.v1.RunService/ListRuns"
_ARGUMENTS: dict[str, object] = {"tenant_id": "ten_1", "states": ["running"]}
_scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"]))
)


@given(st.lists(_scalars, max_size=4))
def test_a_cursor_comes_back_as_it_went(cursor: list[str | int | None]) -> None:
    tokens = PageTokens("secret")
    token = tokens.encode(_ROUTE, _ARGUMENTS, cursor)
    assert token.isascii()
    assert not set(token) & set("+/=&?#% ")
    assert tokens.decode(_ROUTE, _ARGUMENTS, token) == tuple(cursor)


def test_the_first_page_has_no_token() -> None:
    assert PageTokens("secret").decode(_ROUTE, _ARGUMENTS, "") is None


def test_the_order_of_arguments_says_nothing() -> None:
    tokens = PageTokens("secret")
    token = tokens.encode(_ROUTE, {"a": 1, "b": 2}, ["x"])
    assert tokens.decode(_ROUTE, {"b": 2, "a": 1}, token) == ("x",)


@pytest.mark.parametrize(
    ("route", "arguments", "secret"),
    [
        ("/lace.runs.v1.RunService/ListSteps", _ARGUMENTS, "secret"),
        (_ROUTE, {**_ARGUMENTS, "tenant_id": "ten_2"}, "secret"),
        (_ROUTE, {**_ARGUMENTS, "states": ["failed"]}, "secret"),
        (_ROUTE, {**_ARGUMENTS, "more": None}, "secret"),
        (_ROUTE, _ARGUMENTS, "another"),
    ],
)
def test_a_token_is_good_for_its_own_request_only(route: str, arguments: dict[str, object], secret: str) -> None:
    token = PageTokens("secret").encode(_ROUTE, _ARGUMENTS, ["x", 1])
    _refused(PageTokens(secret), route, arguments, token)


@given(st.integers(0, 200), st.characters())
def test_an_altered_token_is_refused(position: int, character: str) -> None:
    token = PageTokens("secret").encode(_ROUTE, _ARGUMENTS, ["2026-11-21T12:00:00+00:00", "run_1"])
    place = position % len(token)
    altered = token[:place] + character + token[place + 1 :]
    if altered != token:
        _refused(PageTokens("secret"), _ROUTE, _ARGUMENTS, altered)


def test_bits_to_spare_are_no_other_way_to_write_a_token() -> None:
    token = PageTokens("secret").encode(_ROUTE, _ARGUMENTS, ["x" * 5])
    assert len(token) % 4, "the last character has bits to spare"
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for character in alphabet:
        if character != token[-1]:
            _refused(PageTokens("secret"), _ROUTE, _ARGUMENTS, token[:-1] + character)


@given(st.text(max_size=60))
def test_an_invented_token_is_refused(text: str) -> None:
    if text:
        _refused(PageTokens("secret"), _ROUTE, _ARGUMENTS, text)


@pytest.mark.parametrize(("requested", "used"), [(0, 50), (1, 1), (499, 499), (500, 500), (501, 500), (2**31 - 1, 500)])
def test_the_size_is_the_default_or_clamped(requested: int, used: int) -> None:
    assert page_size(requested, default=50, maximum=500) == used


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(LaceError) as refused:
        page_size(-1, default=50, maximum=500)
    assert refused.value.reason is Reason.INVALID_ARGUMENT
    assert refused.value.details[0].field == "/page_size"


def _refused(tokens: PageTokens, route: str, arguments: dict[str, object], token: str) -> None:
    with pytest.raises(LaceError) as refused:
        tokens.decode(route, arguments, token)
    assert refused.value.reason is Reason.PAGE_TOKEN_INVALID


@dataclass
class _Request:
    page_size: int
    page_token: str = ""


def test_pages_follow_one_another_to_the_end() -> None:
    tokens, rows = PageTokens("secret"), [(datetime(2026, 1, day, tzinfo=UTC), f"id_{day}") for day in range(9, 0, -1)]
    seen: list[tuple[datetime, str]] = []
    request = _Request(4)
    while True:
        page = tokens.page(_ROUTE, _ARGUMENTS, request)
        before = page.moment
        found = [row for row in rows if before is None or row < before][: page.limit]
        shown, request.page_token = page.cut(found, lambda row: row)
        assert len(shown) <= 4
        seen += shown
        if not request.page_token:
            break
    assert seen == rows


def test_a_page_begins_behind_a_name_or_a_number() -> None:
    tokens = PageTokens("secret")
    first = tokens.page(_ROUTE, _ARGUMENTS, _Request(1))
    assert (first.name, first.number, first.moment, first.limit) == ("", None, None, 2)
    assert first.cut([1], lambda row: (row,)) == ([1], "")
    _, behind = first.cut([0, 1], lambda row: (row,))
    assert tokens.page(_ROUTE, _ARGUMENTS, _Request(1, behind)).number == 0
    _, behind = first.cut(["a", "b"], lambda row: (row,))
    assert tokens.page(_ROUTE, _ARGUMENTS, _Request(1, behind)).name == "a"


def test_the_size_of_a_page_is_the_default_and_never_more_than_the_most() -> None:
    tokens = PageTokens("secret")
    limits = [tokens.page(_ROUTE, _ARGUMENTS, _Request(size), default=3, maximum=7).limit for size in (0, 5, 100)]
    assert limits == [4, 6, 8]
