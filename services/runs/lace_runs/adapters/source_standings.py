"""How cited sources stand, asked of ingest over gRPC under the identity of the call under way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import grpc

from lace.ingest.v1 import ingest_pb2, ingest_pb2_grpc
from lace_core.errors import LaceError, Reason
from lace_core.suites.facts import SourceStanding

_AT_ONCE = 16
_GONE = (Reason.SOURCE_NOT_FOUND, Reason.PERMISSION_DENIED)


class IngestStandings:
    """See app.suites.ports.Standings."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._sources = ingest_pb2_grpc.SourceServiceStub(channel)

    async def of(self, source_ids: Iterable[str]) -> Mapping[str, SourceStanding]:
        """By source id; one that the caller cannot read any more is gone."""
        slots = asyncio.Semaphore(_AT_ONCE)
        ids = list(dict.fromkeys(source_ids))
        found = await asyncio.gather(*(self._one(source_id, slots) for source_id in ids))
        return dict(zip(ids, found, strict=True))

    async def _one(self, source_id: str, slots: asyncio.Semaphore) -> SourceStanding:
        async with slots:
            try:
                versions = await self._versions(source_id)
            except LaceError as error:
                if error.reason not in _GONE:
                    raise
                return SourceStanding(is_gone=True)
        return _standing(source_id, versions)

    async def _versions(self, source_id: str) -> list[ingest_pb2.Source]:
        """The versions down to the cited one, newest first: what is older makes no difference."""
        found: list[ingest_pb2.Source] = []
        request = ingest_pb2.ListSourceVersionsRequest(source_id=source_id, page_size=100)
        while True:
            page = await self._sources.ListSourceVersions(request)
            found.extend(page.sources)
            if not page.next_page_token or any(source.source_id == source_id for source in page.sources):
                return found
            request.page_token = page.next_page_token


def _standing(source_id: str, versions: list[ingest_pb2.Source]) -> SourceStanding:
    own = next((source for source in versions if source.source_id == source_id), None)
    if own is None:
        return SourceStanding(is_gone=True)
    newest = next((source for source in versions if source.state == ingest_pb2.SOURCE_STATE_READY), own)
    if newest.version <= own.version:
        return SourceStanding(series=(own.series_id,))
    return SourceStanding((own.series_id,), newest.source_id, newest.version)
