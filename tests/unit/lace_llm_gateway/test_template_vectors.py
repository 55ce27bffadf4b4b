"""The hashes of templates, from the golden files that clients/typescript is tested with too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lace_llm_gateway.domain.stored_templates import content_of

GOLDEN = Path(__file__).parents[2] / "golden" / "canonical" / "templates.json"


@pytest.mark.parametrize("vector", json.loads(GOLDEN.read_text())["templates"], ids=lambda vector: vector["name"])
def test_golden_templates(vector: dict[str, Any]) -> None:
    content = content_of(vector["content"])
    assert content.canonical() == vector["canonical"].encode()
    assert content.template_sha256 == vector["sha256"]
