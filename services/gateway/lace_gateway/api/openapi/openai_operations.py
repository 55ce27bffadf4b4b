"""OpenAPI of the endpoints that speak OpenAI's shapes."""

from __future__ import annotations

from typing import Any

from lace_core.errors import LaceError, Reason
from lace_gateway.api.openapi.operations import header
from lace_gateway.domain.openai_errors import openai_error_of

Schema = dict[str, Any]

TAG = "OpenAI-compatible"
_JSON = "application/json"
_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_IDS = [header("RequestId"), header("CorrelationId")]
_CALL, _CREATED, _MODEL = "cal_01kahx5g6w9z2c5f8j1m4p7r0u", 1_763_740_800, "openai/gpt-4.1-mini"
_MODEL_NOTE = "`provider/model`, or the name alone for a model of the provider that the settings name."


def chat() -> Schema:
    """POST /v1/chat/completions."""
    messages = [{"role": "user", "content": "In one word: is the bridge open?"}]
    found = _operation(
        "CreateChatCompletion",
        "Asks a model, as OpenAI's API does",
        "Any OpenAI client works: `OPENAI_BASE_URL=http://…/v1` and a token of this installation as `OPENAI_API_KEY`. "
        "With `stream` the answer comes as server-sent events; an answer that breaks off ends with an event that holds "
        "the error, and without `[DONE]`. `response_format` is enforced: an answer that is not what it says is an "
        "error. Unknown fields are passed over; tools, several answers, log probabilities and audio are refused. The "
        "call is in the ledger under `id` (of a stream under `call_id` of its last piece).",
        "runs:write",
    )
    found["requestBody"] = _body("OpenAIChatRequest", {"model": _MODEL, "messages": messages})
    content = _content("OpenAIChatCompletion", _completion_example())
    piece = 'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Yes"}}],…}\n\n'
    content["text/event-stream"] = {"schema": dict(_TEXT), "example": f"{piece}data: [DONE]\n\n"}
    found["responses"]["200"] = {"description": "The answer.", "content": content}
    return found


def embeddings() -> Schema:
    """POST /v1/embeddings."""
    found = _operation(
        "CreateEmbeddings",
        "Turns texts into vectors, as OpenAI's API does",
        "The same as `POST /v1/embed`, in OpenAI's shape. Input as token ids is refused: each model has its own.",
        "runs:write",
    )
    found["requestBody"] = _body("OpenAIEmbeddingsRequest", {"model": "local/all-minilm-l6-v2", "input": ["A bridge."]})
    vector = {"object": "embedding", "index": 0, "embedding": [0.0221, -0.0417, 0.0093]}
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    example = {"object": "list", "data": [vector], "model": "all-minilm-l6-v2", "usage": usage}
    found["responses"]["200"] = {"description": "The vectors.", "content": _content("OpenAIEmbeddings", example)}
    return found


def models() -> Schema:
    """GET /v1/models."""
    found = _operation(
        "ListModels",
        "Lists the models that can be used, as OpenAI's API does",
        "Those of the providers that have what they need: a key, an address, a package.",
        "providers:read",
    )
    example = {"object": "list", "data": [_model_example()]}
    found["responses"]["200"] = {"description": "The models.", "content": _content("OpenAIModels", example)}
    return found


def model() -> Schema:
    """GET /v1/models/{model}."""
    found = _operation(
        "GetModel",
        "Gets one of the models that can be used, as OpenAI's API does",
        "By its name, `provider/model`; the slash may be written as %2F.",
        "providers:read",
    )
    name = {"name": "model", "in": "path", "required": True, "description": "Its name.", "schema": dict(_TEXT)}
    found["parameters"] = [{**name, "example": _MODEL}, *_IDS]
    found["responses"]["200"] = {"description": "The model.", "content": _content("OpenAIModel", _model_example())}
    return found


def schemas() -> dict[str, Schema]:
    """components/schemas of these endpoints: what they need and give; more is allowed."""
    return {**_request_schemas(), **_answer_schemas()}


def _request_schemas() -> dict[str, Schema]:
    message = _object(
        "One message.",
        ("role", "content"),
        role=_described("Who says it.", enum=["system", "developer", "user", "assistant"]),
        content=_described("Its text.", type="string"),
    )
    return {
        "OpenAIChatRequest": _object(
            "What is asked.",
            ("model", "messages"),
            model=_described(f"The model: {_MODEL_NOTE}", type="string"),
            messages=_described("The conversation.", type="array", minItems=1, items=message),
            stream=_described("Tell the answer while it comes.", type="boolean"),
            stream_options=_described("`include_usage` ends the stream with the token counts.", type="object"),
            temperature=_described("The setting where left out.", type="number", minimum=0, maximum=2),
            max_completion_tokens=_described("Tokens out at most.", type="integer", minimum=1, maximum=2**31 - 1),
            max_tokens=_described("The older name of the same.", type="integer", minimum=1, maximum=2**31 - 1),
            response_format=_described("text, json_object, or json_schema with a schema.", type="object"),
            stop=_described("Texts at which the answer ends.", type=["string", "array", "null"]),
            seed=_described("For models that can repeat themselves.", type=["integer", "null"]),
        ),
        "OpenAIEmbeddingsRequest": _object(
            "What is to be turned into vectors.",
            ("model", "input"),
            model=_described(f"The model: {_MODEL_NOTE}", type="string"),
            input=_described("A text, or a list of them.", type=["string", "array"]),
            encoding_format=_described("float, or base64 of little-endian float32.", enum=["float", "base64"]),
            dimensions=_described("Numbers in a vector, for models that have a choice.", type="integer", minimum=1),
        ),
    }


def _answer_schemas() -> dict[str, Schema]:
    model = _object(
        "A model.",
        id=_described("provider/model.", type="string"),
        object=_described("Always model.", const="model"),
        created=_described("When what is known of it was noted, in seconds since 1970; 0 where unknown.", **_COUNT),
        owned_by=_described("The provider.", type="string"),
    )
    many: Schema = {"type": "array", "items": {"type": "object"}}
    return {
        "OpenAIChatCompletion": _object(
            "The answer.",
            id=_described("The call in the ledger.", type="string"),
            object=_described("Always chat.completion.", const="chat.completion"),
            created=_described("When the call began, in seconds since 1970.", **_COUNT),
            model=_described("The model that the provider says it used.", type="string"),
            choices=_described("One, with `message` and `finish_reason`.", **many),
            usage=_described("prompt_tokens, completion_tokens, total_tokens.", type="object"),
        ),
        "OpenAIEmbeddings": _object(
            "The vectors.",
            object=_described("Always list.", const="list"),
            data=_described("One for each text, in order, with `index` and `embedding`.", **many),
            model=_described("The model that the provider says it used.", type="string"),
            usage=_described("prompt_tokens, total_tokens.", type="object"),
        ),
        "OpenAIModel": model,
        "OpenAIModels": _object(
            "The models.",
            object=_described("Always list.", const="list"),
            data=_described("The models.", type="array", items={"$ref": "#/components/schemas/OpenAIModel"}),
        ),
        "OpenAIError": _object(
            "What every failure of these endpoints looks like.",
            error=_described(
                "message, type, param (the field), code, and our own error_code and retryable.", type="object"
            ),
        ),
    }


def _operation(name: str, summary: str, description: str, scope: str) -> Schema:
    error = openai_error_of(LaceError(Reason.MODEL_UNKNOWN, "The provider extractive has no model gpt-9."))
    failure = {"description": "Any failure, in OpenAI's form.", "content": _content("OpenAIError", error)}
    return {
        "operationId": f"openai_{name}",
        "summary": summary,
        "description": f"{description}\n\nNeeds the scope `{scope}`.",
        "tags": [TAG],
        "parameters": list(_IDS),
        "responses": {"default": failure},
        "security": [{"bearer": []}],
    }


def _body(schema: str, example: Any) -> Schema:
    return {"required": True, "description": "As OpenAI's API takes it.", "content": _content(schema, example)}


def _content(schema: str, example: Any) -> Schema:
    return {_JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}}


def _object(description: str, required: tuple[str, ...] | None = None, **properties: Schema) -> Schema:
    """All fields are required where none are named; others than these may come."""
    names = list(properties if required is None else required)
    return {"type": "object", "description": description, "properties": properties, "required": names}


def _described(description: str, **schema: Any) -> Schema:
    return {**schema, "description": description}


def _completion_example() -> Schema:
    message = {"role": "assistant", "content": "Yes.", "refusal": None}
    return {
        "id": _CALL,
        "object": "chat.completion",
        "created": _CREATED,
        "model": "gpt-4.1-mini-2025-04-14",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 15, "completion_tokens": 2, "total_tokens": 17},
        "system_fingerprint": "fp_1",
    }


def _model_example() -> Schema:
    return {"id": _MODEL, "object": "model", "created": 1_744_588_800, "owned_by": "openai"}
