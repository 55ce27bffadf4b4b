"""What the gateway counts, for /metrics."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("lace_gateway_requests_total", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram("lace_gateway_request_seconds", "Seconds from request to the end of its response.", ["route"])
STREAMS = Gauge("lace_gateway_streams", "Event streams that are open.", ["kind"])
UPLOADED = Counter("lace_gateway_uploaded_bytes_total", "Bytes of documents taken in.")
