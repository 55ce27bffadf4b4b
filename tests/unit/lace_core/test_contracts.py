"""The model contracts: their schemas are valid, closed, and demand every field of an answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from lace_core.contracts import CONTRACTS, WRITE, Contract, Written


def _objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (form for form in schema["$defs"].values() if form.get("type") == "object")


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_schemas_are_valid_and_closed(contract: Contract) -> None:
    for schema in (contract.input_schema(), contract.output_schema()):
        jsonschema_rs.meta.validate(schema)
        assert all(form["additionalProperties"] is False for form in _objects(schema))


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_answers_have_no_optional_fields(contract: Contract) -> None:
    for form in _objects(contract.output_schema()):
        assert set(form["required"]) == set(form["properties"])


def test_names_are_versioned_and_distinct() -> None:
    assert len({contract.input_type for contract in CONTRACTS.values()}) == len(CONTRACTS)
    assert all(
        name == contract.name and name.startswith("lace.") and name[-2] == "v" for name, contract in CONTRACTS.items()
    )


@pytest.mark.parametrize(
    ("answer", "fits"),
    [
        ({"blocks": [], "summary": ""}, True),
        ({"blocks": [{"type": "carry", "fact_id": "F1", "caption": ""}], "summary": ""}, True),
        ({"blocks": [{"type": "paragraph", "sentences": [{"text": "a", "fact_ids": ["F1"]}]}], "summary": ""}, True),
        ({"blocks": []}, False),
        ({"blocks": [{"type": "image"}], "summary": ""}, False),
        ({"blocks": [{"type": "paragraph", "sentences": [{"text": "a"}]}], "summary": ""}, False),
        ({"blocks": [], "summary": "", "markdown": "x"}, False),
    ],
)
def test_schema_and_decoder_agree(answer: dict[str, Any], fits: bool) -> None:
    assert jsonschema_rs.is_valid(WRITE.output_schema(), answer) == fits
    try:
        msgspec.convert(answer, Written)
        decoded = True
    except msgspec.ValidationError:
        decoded = False
    assert decoded == fits
