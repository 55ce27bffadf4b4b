"""The extractive provider gives the same bytes for the same input as when the golden files were kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lace_core.canonical import canonical_json
from lace_llm_gateway.adapters.extractive.provider import compose
from lace_llm_gateway.domain.answers import canonical_output, check_input
from lace_llm_gateway.domain.exchange import ProviderRequest
from lace_llm_gateway.domain.prompts import template_of

FOLDER = Path(__file__).parents[2] / "golden" / "lace_llm_gateway"
CASES = sorted(path.stem for path in FOLDER.glob("*.json"))


def test_there_is_a_case_for_every_contract() -> None:
    found = {json.loads((FOLDER / f"{case}.json").read_text())["contract"] for case in CASES}
    assert found == {"lace.intent.v1", "lace.outline.v1", "lace.strategy.v1", "lace.write.v1", "lace.judge.v1"}


@pytest.mark.parametrize("case", CASES)
def test_answers_as_kept(case: str) -> None:
    golden = json.loads((FOLDER / f"{case}.json").read_text())
    contract, given = golden["contract"], json.dumps(golden["input"])
    check_input(contract, given)
    request = ProviderRequest(contract, template_of(contract).render(given), None, "extractive-1", 0, 1000, 5.0)
    assert canonical_output(contract, compose(request)) == canonical_json(golden["output"]).decode()


@pytest.mark.parametrize("seed", ["1", "2"])
def test_answers_the_same_in_another_process(seed: str) -> None:
    """Sets and dicts of strings have another order in every process; the answers must not."""
    script = (
        "import json, pathlib, sys\n"
        "from lace_llm_gateway.adapters.extractive.provider import compose\n"
        "from lace_llm_gateway.domain.exchange import ProviderRequest\n"
        "from lace_llm_gateway.domain.prompts import template_of\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).glob('*.json')):\n"
        "    case = json.loads(path.read_text())\n"
        "    messages = template_of(case['contract']).render(json.dumps(case['input']))\n"
        "    request = ProviderRequest(case['contract'], messages, None, 'extractive-1', 0, 1000, 5.0)\n"
        "    assert json.loads(compose(request)) == case['output'], path.name\n"
    )
    environ = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", script, str(FOLDER)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_order_of_facts_from_other_sources_does_not_change_the_text() -> None:
    golden = json.loads((FOLDER / "write-section.json").read_text())
    facts = golden["input"]["facts"]
    by_source = [[f for f in facts if f["source"] == name] for name in ("10-final.md", "02-ground.txt", "01-brief.md")]
    golden["input"]["facts"] = [fact for group in by_source for fact in group]
    contract, given = golden["contract"], json.dumps(golden["input"])
    request = ProviderRequest(contract, template_of(contract).render(given), None, "extractive-1", 0, 1000, 5.0)
    assert json.loads(compose(request)) == golden["output"]
