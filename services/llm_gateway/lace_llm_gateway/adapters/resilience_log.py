"""What is done for calls that fail, wait or are refused, as log lines and counters."""

from __future__ import annotations

import structlog

from lace_llm_gateway.adapters import resilience_metrics as metrics
from lace_llm_gateway.domain.breaker import BreakerState

_OPEN = {BreakerState.CLOSED: 0.0, BreakerState.HALF_OPEN: 0.5, BreakerState.OPEN: 1.0}

log = structlog.get_logger(__name__)


class ResilienceLog:
    """See app.ports.ResilienceEvents."""

    def breaker_changed(self, provider: str, model: str, state: BreakerState) -> None:
        """See app.ports.ResilienceEvents."""
        metrics.CIRCUIT_OPEN.labels(provider, model).set(_OPEN[state])
        metrics.CIRCUIT_CHANGES.labels(provider, model, state.value).inc()
        log.warning("circuit_changed", provider=provider, model=model, state=state.value)

    def retried(self, provider: str, model: str, reason: str, *, allowed: bool) -> None:
        """See app.ports.ResilienceEvents."""
        metrics.RETRIES.labels(provider, model, reason, _word(allowed)).inc()
        log.info("call_retried", provider=provider, model=model, reason=reason, allowed=allowed)

    def failed_over(self, source: str, target: str, reason: str) -> None:
        """See app.ports.ResilienceEvents."""
        metrics.FAILOVERS.labels(source, target, reason).inc()
        log.warning("call_failed_over", source=source, target=target, reason=reason)

    def hedged(self, provider: str, model: str, *, won: bool) -> None:
        """See app.ports.ResilienceEvents."""
        metrics.HEDGES.labels(provider, model, _word(won)).inc()
        log.info("call_hedged", provider=provider, model=model, won=won)

    def shed(self, reason: str) -> None:
        """See app.ports.ResilienceEvents."""
        metrics.SHED.labels(reason).inc()
        log.warning("call_shed", reason=reason)

    def budget_refused(self, limit: str) -> None:
        """See app.ports.ResilienceEvents."""
        metrics.BUDGET_REFUSALS.labels(limit).inc()
        log.info("budget_refused", limit=limit)

    def budget_leased(self, tokens: int, micro_usd: int) -> None:
        """See app.ports.ResilienceEvents."""
        metrics.BUDGET_LEASED_TOKENS.inc(tokens)
        metrics.BUDGET_LEASED_MICRO_USD.inc(micro_usd)
        log.debug("budget_leased", tokens=tokens, micro_usd=micro_usd)

    def leases_reconciled(self, count: int) -> None:
        """See app.ports.ResilienceEvents."""
        metrics.LEASES_RECONCILED.inc(count)
        log.warning("leases_reconciled", count=count)


def _word(value: bool) -> str:
    return "yes" if value else "no"
