"""What the wire knows of a request that takes effect once: its route, its canonical form, its kept answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import Message

from lace_control.app.ports import Mutation
from lace_core.canonical import canonical_json
from lace_proto.json import to_python

T = TypeVar("T")
M = TypeVar("M", bound=Message)


def mutation(
    route: str, request: Message, answer: type[M], to_wire: Callable[[T], M], of_wire: Callable[[M], T]
) -> Mutation[T]:
    """`to_wire` gives the message that is kept and replayed, without what may be shown once only."""
    return Mutation(
        route=route,
        request=canonical_json(to_python(request)),
        encode=lambda made: to_wire(made).SerializeToString(deterministic=True),
        decode=lambda kept: of_wire(answer.FromString(kept)),
    )
