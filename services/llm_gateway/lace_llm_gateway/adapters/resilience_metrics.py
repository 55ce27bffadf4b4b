"""What is counted of circuits, retries, failover, hedges, load shedding and budgets, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

# By provider and model alone: tenants and principals have no bound.
CIRCUIT_OPEN = Gauge("llm_circuit_open", "Whether a model's circuit is open: 1, half-open: 0.5.", ["provider", "model"])
CIRCUIT_CHANGES = Counter(
    "llm_circuit_changes_total", "Changes of a model's circuit, by its new state.", ["provider", "model", "state"]
)
RETRIES = Counter(
    "llm_retries_total",
    "Further tries of calls, by the reason of the failure, and whether the budget of retries allowed them.",
    ["provider", "model", "reason", "allowed"],
)
FAILOVERS = Counter("llm_failovers_total", "Calls that went on to another model.", ["source", "target", "reason"])
HEDGES = Counter(
    "llm_hedges_total", "Second calls beside slow ones, by whether they were first.", ["provider", "model", "won"]
)
SHED = Counter("llm_calls_shed_total", "Calls that were not admitted.", ["reason"])
BUDGET_REFUSALS = Counter("llm_budget_refusals_total", "Calls that a budget refused, by the limit.", ["limit"])
BUDGET_LEASED_TOKENS = Counter("llm_budget_leased_tokens_total", "Tokens taken in slices.")
BUDGET_LEASED_MICRO_USD = Counter(
    "llm_budget_leased_micro_usd_total", "Money taken in slices, in millionths of a dollar."
)
LEASES_RECONCILED = Counter(
    "llm_budget_leases_reconciled_total", "Slices of dead processes that were settled from the ledger."
)
