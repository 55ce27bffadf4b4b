"""What the gateway counts, for /metrics."""

from __future__ import annotations

from functools import lru_cache

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("lace_gateway_requests_total", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram("lace_gateway_request_seconds", "Seconds from request to the end of its response.", ["route"])
STREAMS = Gauge("lace_gateway_streams", "Event streams that are open.", ["kind"])
UPLOADED = Counter("lace_gateway_uploaded_bytes_total", "Bytes of documents taken in.")


def answered(method: str, route: str, status: int, seconds: float) -> None:
    """One request more."""
    requests, times = _series(method, route, status)
    requests.inc()
    times.observe(seconds)


@lru_cache(maxsize=4096)
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    # Finding them by their labels takes longer than counting.
    return REQUESTS.labels(method, route, str(status)), SECONDS.labels(route)
