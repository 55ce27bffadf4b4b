"""Typed Python client of the LACE API."""

from lace_client.client import Ingestion, LaceClient, Rejected
from lace_client.transport import LaceApiError

__all__ = ["Ingestion", "LaceApiError", "LaceClient", "Rejected"]
