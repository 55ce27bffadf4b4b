"""Times on the wire: aware times in UTC, to the microsecond."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp


def to_timestamp(moment: datetime) -> Timestamp:
    """An aware time on the wire."""
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def to_datetime(message: Timestamp) -> datetime:
    """An aware time in UTC; of a request it is one that exists, which was seen to as it came in."""
    return message.ToDatetime(UTC)
