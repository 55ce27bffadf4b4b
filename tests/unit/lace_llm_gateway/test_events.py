"""Server-sent events come out the same however their bytes were cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_llm_gateway.adapters.http.events import EventParser, EventTooLong

DATA = st.lists(
    st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20), min_size=1),
    max_size=6,
)


@given(DATA, st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(1, 7), max_size=30), st.booleans())
def test_the_data_of_events_survives_any_cut(data: list[list[str]], end: str, cuts: list[int], spaced: bool) -> None:
    space = " " if spaced else ""
    lines: list[str] = []
    for event in data:
        lines += [": a comment", "event: message", *(f"data:{space}{line}" for line in event), "id: 7", ""]
    sent = "".join(line + end for line in lines).encode()
    found: list[bytes] = []
    parser = EventParser(1000)
    at = 0
    for size in [*cuts, len(sent)]:
        if sent[at : at + size]:
            found += parser.feed(sent[at : at + size])
        at += size
    if end == "\r":  # whether a last return is half of an end of line is only known with the next byte
        found += parser.feed(b": more\n")
    # Without a space of its own, a line that begins with one loses it: that is how the format has it.
    expected = ["\n".join(line if spaced else line.removeprefix(" ") for line in event) for event in data]
    assert [each.decode() for each in found] == expected


def test_an_event_without_its_empty_line_has_not_come() -> None:
    parser = EventParser(1000)
    assert parser.feed(b"data: half\n") == []
    assert parser.feed(b"\n") == [b"half"]


@pytest.mark.parametrize(
    "chunks", [[b"x" * 101], [b"data: " + b"x" * 60, b"x" * 60], [b"data: " + b"x" * 60 + b"\n"] * 2]
)
def test_an_event_without_end_is_given_up(chunks: list[bytes]) -> None:
    parser = EventParser(100)
    with pytest.raises(EventTooLong):
        for chunk in chunks:
            parser.feed(chunk)
