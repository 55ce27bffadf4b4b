"""Typed Python client of the LACE API."""

from lace_client.client import Ingestion, LaceClient, Rejected
from lace_client.event_versions import Progress, progress_of
from lace_client.transport import LaceApiError

__all__ = ["Ingestion", "LaceApiError", "LaceClient", "Progress", "Rejected", "progress_of"]
