"""The counters of pinned versions, context blocks, grounding and batches, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter

SINGLE_FLIGHT_LOCKS = Counter(
    "provider_cache_singleflight_locks_total",
    "Times that a process took the lock to ask a provider for its versions.",
    ["provider"],
)
VERSION_MISMATCHES = Counter(
    "provider_version_mismatch_total",
    "Answers under another model version or fingerprint than the template or its batch is held to.",
    ["provider"],
)
BATCH_DRIFT_PAUSES = Counter("batch_drift_pauses_total", "Batches paused because the model changed.", ["provider"])
# Without the template as a label: their number has no bound.
ALS_OVER_LIMIT = Counter("als_over_limit_total", "Context blocks longer than their limit; nothing was sent.")
GROUNDING_REQUIRED_FAILURES = Counter(
    "grounding_required_failures_total",
    "Answers that had to be grounded and were not, by why.",
    ["provider", "reason"],
)


class PrometheusDeterminismMetrics:
    """See app.ports.DeterminismMetrics."""

    def single_flight(self, provider: str) -> None:
        """Counts a lock."""
        SINGLE_FLIGHT_LOCKS.labels(provider).inc()

    def version_mismatch(self, provider: str) -> None:
        """Counts a mismatch."""
        VERSION_MISMATCHES.labels(provider).inc()

    def batch_drift_pause(self, provider: str) -> None:
        """Counts a pause."""
        BATCH_DRIFT_PAUSES.labels(provider).inc()

    def als_over_limit(self) -> None:
        """Counts a block."""
        ALS_OVER_LIMIT.inc()

    def grounding_required_failure(self, provider: str, reason: str) -> None:
        """Counts a failure."""
        GROUNDING_REQUIRED_FAILURES.labels(provider, reason).inc()
