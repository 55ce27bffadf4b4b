"""`lace usage` against an API that answers as it is told."""

from __future__ import annotations

import json

from lace_cli.failures import WRONG_USE
from tests.doubles.scripted_api import ScriptedApi
from tests.unit.lace_cli.conftest import Lace

DAY = {"day": "2026-11-21", "calls": 36, "failed_calls": 1, "input_tokens": 83160, "output_tokens": 15048}
OUTSIDE = {"run_id": "", "calls": 2, "failed_calls": 0, "input_tokens": 5, "output_tokens": 7, "cost_micro_usd": 12300}


def test_usage_is_shown_by_day_with_its_cost(api: ScriptedApi, lace: Lace) -> None:
    api.on("GET", "/v1/usage", {"usage": [{**DAY, "cost_micro_usd": 358_380}]})
    told = lace("usage", "--from", "2026-11-01")
    assert told.code == 0, told.err
    assert told.out.rstrip("\n").split("\t") == ["2026-11-21", "36", "1", "83160", "15048", "0.3584"]
    assert api.last("GET").query == {"by": ["day"], "from_day": ["2026-11-01"]}


def test_what_was_asked_outside_runs_is_named(api: ScriptedApi, lace: Lace) -> None:
    api.on("GET", "/v1/usage", {"usage": [OUTSIDE]})
    assert lace("usage", "--by", "run").out.startswith("(outside runs)\t2\t0\t5\t7\t0.0123")
    assert json.loads(lace("usage", "--by", "run", "--json").out)[0]["cost_micro_usd"] == 12300
    assert lace("usage", "--by", "week").code == WRONG_USE
