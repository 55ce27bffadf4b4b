"""How far the vectors of all units are, for Prometheus."""

from __future__ import annotations

from prometheus_client import Gauge

UNITS = Gauge("ingest_vector_units", "Units of present readings that have or shall have vectors.")
EMBEDDED = Gauge("ingest_vector_units_embedded", "Units of present readings that have vectors.")


class PrometheusVectorMetrics:
    """See app.vectors.Outside.progress."""

    def progress(self, units: int, embedded: int) -> None:
        """Shows where it stands."""
        UNITS.set(units)
        EMBEDDED.set(embedded)
