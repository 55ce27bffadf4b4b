"""What is counted of pinned versions, blocks, grounding and batches is there for Prometheus, under these names."""

from __future__ import annotations

from prometheus_client import REGISTRY

from lace_llm_gateway.adapters.determinism_metrics import PrometheusDeterminismMetrics


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_each_is_counted_under_its_name_and_labels() -> None:
    metrics = PrometheusDeterminismMetrics()
    samples: list[tuple[str, dict[str, str]]] = [
        ("provider_cache_singleflight_locks_total", {"provider": "gemini"}),
        ("provider_version_mismatch_total", {"provider": "gemini"}),
        ("batch_drift_pauses_total", {"provider": "gemini"}),
        ("als_over_limit_total", {}),
        ("grounding_required_failures_total", {"provider": "gemini", "reason": "no_search"}),
    ]
    before = [value(name, **labels) for name, labels in samples]
    metrics.single_flight("gemini")
    metrics.version_mismatch("gemini")
    metrics.batch_drift_pause("gemini")
    metrics.als_over_limit()
    metrics.grounding_required_failure("gemini", "no_search")
    assert [value(name, **labels) for name, labels in samples] == [count + 1 for count in before]
