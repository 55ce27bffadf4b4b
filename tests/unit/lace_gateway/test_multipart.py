"""Multipart bodies, cut into pieces of any size."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core.errors import LaceError, Reason
from lace_gateway.api.multipart import MultipartReader

TYPE = "multipart/form-data; boundary=edge"


def body_of(parts: list[tuple[str, str | None, bytes]]) -> bytes:
    out = b""
    for name, filename, content in parts:
        disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
        out += f"--edge\r\nContent-Disposition: {disposition}\r\nContent-Type: x/y\r\n\r\n".encode() + content + b"\r\n"
    return out + b"--edge--\r\n"


def receiver(pieces: list[bytes], *, gone: bool = False) -> Any:
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.disconnect"} if gone else {"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Any:
        return messages.pop(0)

    return receive


async def read(pieces: list[bytes]) -> list[tuple[str, str | None, bytes]]:
    found = []
    async for part in MultipartReader(TYPE, receiver(pieces)).parts():
        found.append((part.name, part.filename, b"".join([piece async for piece in part.chunks()])))
    return found


PARTS = st.lists(
    st.tuples(
        st.sampled_from(["files", "labels"]),
        st.sampled_from([None, "a.md", "Bücher.txt", "a b.pdf"]),
        st.one_of(st.binary(max_size=60), st.sampled_from([b"\r\n", b"--edge", b"\r\n--edg", b"\r\n-", b"-" * 30])),
    ),
    min_size=1,
    max_size=4,
)


@given(PARTS, st.lists(st.integers(0, 400), max_size=8))
async def test_any_cut_gives_the_same_parts(parts: list[Any], cuts: list[int]) -> None:
    # A boundary within the content would be the sender's mistake.
    parts = [part for part in parts if b"\r\n--edge" not in b"\r\n" + part[2]] or [("files", "a.md", b"x")]
    body = body_of(parts)
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    assert await read([body[start:end] for start, end in pairwise(edges)]) == parts


async def test_what_is_not_read_is_skipped() -> None:
    parts: list[tuple[str, str | None, bytes]] = [
        ("files", "a", b"x" * 1000),
        ("files", "b", b""),
        ("files", "c", b"z"),
    ]
    body = body_of(parts)
    reader = MultipartReader(TYPE, receiver([body[at : at + 100] for at in range(0, len(body), 100)]))
    assert [part.filename async for part in reader.parts()] == ["a", "b", "c"]


async def test_text_is_bounded_and_text() -> None:
    for content in (b"x" * 11, b"\xff"):
        async for part in MultipartReader(TYPE, receiver([body_of([("labels", None, content)])])).parts():
            with pytest.raises(LaceError) as refused:
                await part.text(10)
            assert refused.value.reason is Reason.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b"--edge\r\n\r\nno name\r\n--edge--\r\n",
        b'--edge\r\nContent-Disposition: form-data; name="files"\r\n\r\ncut',
        b"--edge\r\nContent-Disposition form-data\r\n\r\nx\r\n--edge--\r\n",
    ],
)
async def test_broken_bodies(content: bytes) -> None:
    with pytest.raises(LaceError) as refused:
        await read([content])
    assert refused.value.reason is Reason.INVALID_ARGUMENT


async def test_a_caller_who_leaves() -> None:
    start = body_of([("files", "a", b"x" * 100)])[:90]
    with pytest.raises(LaceError):
        async for part in MultipartReader(TYPE, receiver([start], gone=True)).parts():
            async for _ in part.chunks():
                pass


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=x"])
def test_other_media_types(content_type: str) -> None:
    with pytest.raises(LaceError) as refused:
        MultipartReader(content_type, receiver([]))
    assert refused.value.reason is Reason.UNSUPPORTED_MEDIA_TYPE
