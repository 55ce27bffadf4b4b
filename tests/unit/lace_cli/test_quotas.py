"""`lace quotas` and `--priority` against an API that answers as it is told."""

from __future__ import annotations

import json

from lace_cli.failures import WRONG_USE
from tests.doubles.scripted_api import ScriptedApi
from tests.unit.lace_cli.conftest import Lace

PATH = "/v1/tenants/ten_a/quotas"
QUOTAS = {"tenant_id": "ten_a", "max_concurrent_runs": 4, "runs_per_minute": 30, "version": 2}


def test_quotas_are_shown(api: ScriptedApi, lace: Lace) -> None:
    api.on("GET", PATH, QUOTAS)
    told = lace("quotas", "show", "ten_a")
    assert told.code == 0, told.err
    assert told.out.splitlines() == [
        "runs worked on at once: 4",
        "runs waiting: any number",
        "runs started within a minute: 30",
    ]
    assert json.loads(lace("quotas", "show", "ten_a", "--json").out)["version"] == 2


def test_quotas_are_replaced_as_a_whole(api: ScriptedApi, lace: Lace) -> None:
    api.on("PUT", PATH, QUOTAS)
    assert lace("quotas", "set", "ten_a", "--concurrent", "4", "--per-minute", "30").code == 0
    sent = api.last("PUT").json
    assert sent == {"max_concurrent_runs": 4, "max_queued_runs": 0, "runs_per_minute": 30}
    assert lace("quotas", "set", "ten_a", "--queued", "-1").code == WRONG_USE


def test_a_priority_goes_with_the_start(api: ScriptedApi, lace: Lace) -> None:
    api.on("POST", "/v1/runs/generate", {"run_id": "run_1", "artifact_id": "art_1", "state": "queued"})
    assert lace("generate", "-t", "Harrow Bay", "--priority", "9", "--detach").code == 0
    assert api.last("POST").json["priority"] == 9
    assert lace("generate", "-t", "Harrow Bay", "--priority", "0", "--detach").code == 0
    assert api.last("POST").json["priority"] == 0
    assert lace("generate", "-t", "Harrow Bay", "--priority", "10").code == WRONG_USE
