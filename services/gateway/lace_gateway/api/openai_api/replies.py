"""What the endpoints answer, in OpenAI's shapes."""

from __future__ import annotations

from typing import Any

from lace.llm_gateway.v1 import llm_gateway_pb2 as wire

Reply = dict[str, Any]

# OpenAI has no word for a reason that nobody knows; it is told as it is, and never as a regular end.
_FINISH = {
    wire.FINISH_REASON_STOP: "stop",
    wire.FINISH_REASON_LENGTH: "length",
    wire.FINISH_REASON_FILTER: "content_filter",
    wire.FINISH_REASON_REFUSAL: "content_filter",
    wire.FINISH_REASON_TOOL: "tool_calls",
}
_UNKNOWN = "unknown"


def completion(answer: wire.GenerateResponse) -> Reply:
    """A chat.completion; its id is that of the call in the ledger."""
    message = {"role": "assistant", "content": answer.output, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(answer.call)}
    return {
        "id": answer.call.call_id,
        "object": "chat.completion",
        "created": answer.call.started_at.seconds,
        "model": model_of(answer.call),
        "choices": [choice],
        "usage": usage(answer.call),
        "system_fingerprint": answer.call.fingerprint or None,
    }


def chunk(head: Reply, delta: Reply, finish: str | None = None) -> Reply:
    """A chat.completion.chunk; `head` is what all chunks of an answer share."""
    return {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}


def finish_reason(call: wire.Call) -> str:
    """Why the model stopped, in OpenAI's words."""
    return _FINISH.get(call.finish_reason, _UNKNOWN)


def model_of(call: wire.Call) -> str:
    """The model that the provider says it used."""
    return call.answered_model or call.resolved_model or call.requested_model


def usage(call: wire.Call) -> Reply:
    """Tokens of the call."""
    return {
        "prompt_tokens": call.input_tokens,
        "completion_tokens": call.output_tokens,
        "total_tokens": call.input_tokens + call.output_tokens,
    }
