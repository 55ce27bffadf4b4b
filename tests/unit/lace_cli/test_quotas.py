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


def test_budgets_are_set_in_tokens_and_dollars(api: ScriptedApi, lace: Lace) -> None:
    told = {**QUOTAS, "tokens_per_day": 2_000_000, "principal_micro_usd_per_month": 12_500_000}
    api.on("PUT", PATH, told)
    done = lace("quotas", "set", "ten_a", "--tokens-per-day", "2000000", "--principal-usd-per-month", "12.5")
    assert done.code == 0, done.err
    assert done.out.splitlines()[3:] == [
        "tokens in a day: 2,000,000",
        "dollars in a month of each principal: 12.50",
    ]
    sent = api.last("PUT").json
    assert sent["tokens_per_day"] == 2_000_000
    assert sent["principal_micro_usd_per_month"] == 12_500_000
    assert lace("quotas", "set", "ten_a", "--usd-per-day", "-1").code == WRONG_USE


def test_what_was_spent_is_shown_beside_its_limits(api: ScriptedApi, lace: Lace) -> None:
    budget = {"starts_at": "2026-11-21T00:00:00Z", "resets_at": "2026-11-22T00:00:00Z", "spent_tokens": 1500}
    api.on(
        "GET",
        "/v1/tenants/ten_a/budgets",
        {
            "budgets": [
                {**budget, "period": "day", "limit_tokens": 2000, "spent_micro_usd": 12_300},
                {**budget, "period": "month", "principal_id": "prn_a", "limit_micro_usd": 5_000_000},
            ]
        },
    )
    told = lace("quotas", "spent", "ten_a", "--principal", "prn_a")
    assert told.code == 0, told.err
    assert told.out.splitlines() == [
        "tenant today: 1,500 of 2,000 tokens, 0.0123 dollars; anew at 2026-11-22 00:00 UTC",
        "prn_a this month: 1,500 tokens, 0.0000 of 5.00 dollars; anew at 2026-11-22 00:00 UTC",
    ]


def test_a_priority_goes_with_the_start(api: ScriptedApi, lace: Lace) -> None:
    api.on("POST", "/v1/runs/generate", {"run_id": "run_1", "artifact_id": "art_1", "state": "queued"})
    assert lace("generate", "-t", "Harrow Bay", "--priority", "9", "--detach").code == 0
    assert api.last("POST").json["priority"] == 9
    assert lace("generate", "-t", "Harrow Bay", "--priority", "0", "--detach").code == 0
    assert api.last("POST").json["priority"] == 0
    assert lace("generate", "-t", "Harrow Bay", "--priority", "10").code == WRONG_USE
