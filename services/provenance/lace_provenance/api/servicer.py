"""ProvenanceService: decode, one use case, encode."""

from __future__ import annotations

from typing import Any

from lace.ingest.v1 import diffs_pb2
from lace.provenance.v1 import provenance_pb2 as wire
from lace.provenance.v1 import provenance_pb2_grpc as grpc_wire
from lace_platform.paging import PageTokens
from lace_platform.rpc import current_call
from lace_provenance.api import convert
from lace_provenance.api.convert_impact import impact_to_wire, question_of
from lace_provenance.app.assess_impact import get_impact
from lace_provenance.app.ports import Impacts, Units
from lace_provenance.app.read_provenance import get_entity_provenance, get_run_provenance

_RUN = "/lace.provenance.v1.ProvenanceService/GetRunProvenance"


class ProvenanceServicer(grpc_wire.ProvenanceServiceServicer):
    """What is recorded about runs and entities."""

    def __init__(self, units: Units, pages: PageTokens, impacts: Impacts[diffs_pb2.AssessImpactResponse]) -> None:
        self._units = units
        self._pages = pages
        self._impacts = impacts

    async def GetRunProvenance(
        self, request: wire.GetRunProvenanceRequest, context: Any
    ) -> wire.GetRunProvenanceResponse:
        """The transformation logs of a run, in order."""
        reader = convert.reader_of(current_call())
        arguments: dict[str, object] = {"tenant_id": reader.tenant_id, "run_id": request.run_id}
        page = self._pages.page(_RUN, arguments, request, default=100)
        found = await get_run_provenance(self._units, reader, request.run_id, page.limit, page.moment)
        shown, token = page.cut(found, lambda log: (log.ended_at, log.id))
        return wire.GetRunProvenanceResponse(
            run_id=request.run_id, logs=map(convert.log_to_wire, shown), next_page_token=token
        )

    async def GetEntityProvenance(
        self, request: wire.GetEntityProvenanceRequest, context: Any
    ) -> wire.GetEntityProvenanceResponse:
        """An entity: what made it, what it was made of, what came of it."""
        reader = convert.reader_of(current_call())
        found = await get_entity_provenance(self._units, reader, request.entity_id)
        return convert.neighbourhood_to_wire(found)

    async def GetImpact(self, request: wire.GetImpactRequest, context: Any) -> wire.GetImpactResponse:
        """What newer versions of sources do to what was written from them."""
        return impact_to_wire(await get_impact(self._impacts, question_of(request)))
