"""What is counted for Prometheus of circuits, retries, failover, hedges, load shedding and budgets."""

from __future__ import annotations

from prometheus_client import REGISTRY

from lace_llm_gateway.adapters.resilience_log import ResilienceLog
from lace_llm_gateway.domain.breaker import BreakerState

MODEL = {"provider": "test", "model": "m-of-this-test"}


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_every_event_is_counted_by_what_is_bounded() -> None:
    log = ResilienceLog()
    before = {
        name: value(name)
        for name in ("llm_budget_leased_tokens_total", "llm_budget_leased_micro_usd_total",
                     "llm_budget_leases_reconciled_total")
    }  # fmt: skip
    shed, refused = value("llm_calls_shed_total", reason="too_late"), value("llm_budget_refusals_total", limit="tokens")
    log.breaker_changed("test", "m-of-this-test", BreakerState.OPEN)
    log.retried("test", "m-of-this-test", "PROVIDER_UNAVAILABLE", allowed=False)
    log.failed_over("test/a", "test/b", "PROVIDER_UNAVAILABLE")
    log.hedged("test", "m-of-this-test", won=True)
    log.shed("too_late")
    log.budget_refused("tokens")
    log.budget_leased(100, 2000)
    log.leases_reconciled(3)
    assert value("llm_circuit_open", **MODEL) == 1.0
    assert value("llm_circuit_changes_total", **MODEL, state="open") == 1.0
    assert value("llm_retries_total", **MODEL, reason="PROVIDER_UNAVAILABLE", allowed="no") == 1.0
    assert value("llm_failovers_total", source="test/a", target="test/b", reason="PROVIDER_UNAVAILABLE") == 1.0
    assert value("llm_hedges_total", **MODEL, won="yes") == 1.0
    assert value("llm_calls_shed_total", reason="too_late") == shed + 1
    assert value("llm_budget_refusals_total", limit="tokens") == refused + 1
    after = {name: value(name) - start for name, start in before.items()}
    assert list(after.values()) == [100, 2000, 3]
    log.breaker_changed("test", "m-of-this-test", BreakerState.HALF_OPEN)
    assert value("llm_circuit_open", **MODEL) == 0.5
    log.breaker_changed("test", "m-of-this-test", BreakerState.CLOSED)
    assert value("llm_circuit_open", **MODEL) == 0.0
