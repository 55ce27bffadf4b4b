"""Between proposals on the wire and actions: bounds, decoding, and pointers into the request that was sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from google.protobuf.message import Message

from lace.common.v1 import ir_pb2
from lace_core.actions import Action
from lace_core.canonical import sha256_hex
from lace_core.errors import Detail, LaceError, Reason
from lace_core.proposals import ProposalLimits, ProposalRefused, actions_of
from lace_core.rejections import RejectionCode
from lace_runs.api.convert_ir import action_form


def limits_of(settings: Mapping[str, Any]) -> ProposalLimits:
    """What is read at most; the bytes of a body are the gateway's to count."""
    return ProposalLimits(max_actions=settings["runs.max_actions"], max_text=settings["runs.max_text_chars"])


def proposed_actions(messages: Sequence[ir_pb2.Action], key: str, limits: ProposalLimits) -> tuple[Action, ...]:
    """The actions that a request asks; one without a key gets one of its place and the request's, which names who asks.

    Raises LaceError INVALID_ARGUMENT.
    """
    try:
        if len(messages) > limits.max_actions:
            return actions_of([{}] * len(messages), limits)
        return actions_of(list(_forms(messages, key)), limits)
    except ProposalRefused as refused:
        detail = Detail(wire_pointer(refused.pointer, messages), f"{refused.code}: {refused.message}")
        message = f"{detail.field}: {refused.message}"
        raise LaceError(Reason.INVALID_ARGUMENT, message, details=[detail]) from None


def _forms(messages: Sequence[ir_pb2.Action], key: str) -> Iterator[dict[str, Any]]:
    for place, message in enumerate(messages):
        try:
            yield action_form(message, sha256_hex(f"{key}/{place}".encode()))
        except ValueError as error:
            code = RejectionCode.NOT_THE_SCHEMA
            raise ProposalRefused(code, f"/actions/{place}", f"{error}; compare it with the API's reference.") from None


@contextmanager
def pointing_into(messages: Sequence[ir_pb2.Action]) -> Iterator[None]:
    """What is refused within the block points into the request, where apply's pointers are into its own actions."""
    try:
        yield
    except LaceError as error:
        error.details = tuple(Detail(wire_pointer(d.field, messages), d.description) for d in error.details)
        raise


def wire_pointer(pointer: str, messages: Sequence[ir_pb2.Action]) -> str:
    """The pointer into a request of a pointer into actions (/actions/3/block/sentences/0); others stay as they are."""
    match pointer.split("/"):
        case ["", "actions", place, "key"]:
            return f"/actions/{place}/idempotency_key"
        case ["", "actions", place, *rest] if rest and place.isdigit() and int(place) < len(messages):
            message = messages[int(place)]
            kind = message.WhichOneof("kind")
            if kind is None:
                return pointer
            if rest[0] == "block" and len(rest) > 1 and rest[1] != "block_id":
                rest[1:1] = _block_kind(getattr(message, kind))
            return "/".join(["", "actions", place, kind, *rest])
    return pointer


def _block_kind(action: Message) -> list[str]:
    kind = action.block.WhichOneof("kind") if isinstance(action, ir_pb2.InsertBlock | ir_pb2.ReplaceBlock) else None
    return [kind] if kind else []
