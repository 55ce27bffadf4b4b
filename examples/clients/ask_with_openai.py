#!/usr/bin/env python3
"""Ask a model through LACE with OpenAI's own client: the answer streamed, then vectors of two sentences compared.

    LACE_URL=http://127.0.0.1:8080 LACE_TOKEN=lace_… python ask_with_openai.py "Is the bridge open?" [provider/model]

Without a model it is the one that the settings name. Nothing here is LACE's but the address and the token.
"""

from __future__ import annotations

import os
import sys

import openai


def main(arguments: list[str]) -> int:
    """Exit code 0 where an answer came."""
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    question, *named = arguments
    client = openai.OpenAI(base_url=f"{os.environ['LACE_URL']}/v1", api_key=os.environ["LACE_TOKEN"])
    try:
        ask(client, question, named[0] if named else "")
        compare(client, question)
    except openai.APIError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)
        return 1
    return 0


def ask(client: openai.OpenAI, question: str, model: str) -> None:
    """Prints the answer while it comes, and then what it took."""
    stream = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": question}],
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        for choice in chunk.choices:
            print(choice.delta.content or "", end="", flush=True)
        if chunk.usage is not None:
            print(f"\n{chunk.model}: {chunk.usage.prompt_tokens} tokens in, {chunk.usage.completion_tokens} out")


def compare(client: openai.OpenAI, question: str) -> None:
    """Prints how near the question is to another one, where a model that embeds can be used."""
    if not any(model.id == "local/all-minilm-l6-v2" for model in client.models.list()):
        return
    texts = [question, "Is it closed?"]
    answer = client.embeddings.create(model="local/all-minilm-l6-v2", input=texts)
    one, other = (item.embedding for item in answer.data)
    print(f"nearness to {texts[1]!r}: {sum(a * b for a, b in zip(one, other, strict=True)):.3f}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
