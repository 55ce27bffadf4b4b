"""Typed Python client of the LACE API."""

from lace_client.client import Ingestion, LaceClient, Rejected
from lace_client.event_versions import Progress, progress_of
from lace_client.models import Answer, AnswerStream, Models
from lace_client.transport import LaceApiError

__all__ = [
    "Answer",
    "AnswerStream",
    "Ingestion",
    "LaceApiError",
    "LaceClient",
    "Models",
    "Progress",
    "Rejected",
    "progress_of",
]
