"""Requests made up from the API document: whatever comes, the answer is one that the document names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi_checks

# Streams do not end by themselves, and made-up links, file names and models are never good. What OpenAI's clients send
# may hold anything beside what is known of it, so nothing made up tells what is taken. All have tests of their own.
LEFT_OUT = (
    "/v1/runs/{run_id}/stream",
    "/v1/blobs/{token}",
    "/v1/sources:ingest",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/models/{model}",
)
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
    openapi_checks.positive_data_acceptance,
]


@pytest.fixture
async def gateway(doubles: Any, tmp_path: Path) -> Any:
    """A gateway that listens, in front of services that answer with examples."""
    async with doubles.running_gateway(tmp_path, answer_all=True) as found:
        yield found


@pytest.mark.parametrize("every", [12, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE])
async def test_every_answer_is_documented(gateway: Any, document: dict[str, Any], mode: Any, every: int) -> None:
    """Both what the schemas allow, which is taken, and what they do not, which is refused."""
    schema = schemathesis.openapi.from_dict(document)
    problems = await asyncio.to_thread(lambda: list(_problems(schema, mode, gateway, every)))
    assert problems == []


def _problems(schema: Any, mode: Any, gateway: Any, every: int) -> Iterator[str]:
    """What was wrong with one in so many operations."""
    schema.config.generation.update(allow_x00=False)  # no service takes it, which no schema says
    for result in list(schema.get_all_operations())[::every]:
        operation = result.ok()
        if operation.path in LEFT_OUT:
            continue
        try:
            _try_out(operation, mode, gateway)
        except Unsatisfiable:
            continue  # nothing that is sent as text could break these schemas
        except BaseException as failure:  # a group of failures is no Exception
            yield f"{operation.method} {operation.path}: {failure}"


def _try_out(operation: Any, mode: Any, gateway: Any) -> None:
    @settings(
        max_examples=2,
        derandomize=True,  # the same requests each time; more are tried by raising the number
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def attempt(case: Any) -> None:
        assume(mode is schemathesis.GenerationMode.NEGATIVE or _is_plain(case))
        response = case.call(base_url=gateway.url, headers=gateway.headers)
        case.validate_response(response, checks=CHECKS)

    attempt()


def _is_plain(case: Any) -> bool:
    """Leaves out what JSON Schema allows and the contract does not: 3.0 for 3, free numbers beyond 2**53, durations
    beyond ten thousand years, and an etag in the body beside If-Match."""
    body = case.body if isinstance(case.body, dict) else {}
    twice = "etag" in body and "If-Match" in (case.headers or {})
    return not twice and len(body.get("ttl", "")) < 12 and all(map(_is_plain_number, _numbers(body)))


def _is_plain_number(number: float) -> bool:
    return abs(number) <= 2**53 and not (isinstance(number, float) and number.is_integer())


def _numbers(value: Any) -> Iterator[int | float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for member in value:
            yield from _numbers(member)
    elif isinstance(value, int | float):
        yield value
