"""The batches' part of TemplateService over gRPC."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from lace.llm_gateway.v1 import templates_pb2 as wire
from lace_llm_gateway.api import convert_batches as convert
from lace_llm_gateway.api.convert_templates import canonical_request
from lace_llm_gateway.api.template_pages import page_limit
from lace_llm_gateway.app.batches.batching import Batching
from lace_llm_gateway.app.batches.list_batches import get_batch, list_batches
from lace_llm_gateway.app.batches.move_batch import cancel_batch, pause_batch, resume_batch
from lace_llm_gateway.app.batches.ports import BatchPlace
from lace_llm_gateway.app.batches.run_batch import run_batch
from lace_platform.paging import PageTokens
from lace_platform.rpc import current_call

_SERVICE = "/lace.llm_gateway.v1.TemplateService"
_LIST = f"{_SERVICE}/ListBatches"


class BatchMethods:
    """Decodes, calls the use case, encodes."""

    _batching: Batching
    _batch_pages: BatchPages

    async def RunBatch(self, request: wire.RunBatchRequest, context: Any) -> wire.Batch:
        """Takes on a batch of runs."""
        caller, asked = current_call(), _asked("RunBatch", request)
        who = (caller.tenant_id, caller.principal_id)
        return convert.batch_message(await run_batch(self._batching, *who, convert.ask_of(request), asked))

    async def GetBatch(self, request: wire.GetBatchRequest, context: Any) -> wire.Batch:
        """A batch and how far it is."""
        tenant_id = current_call().tenant_id
        return convert.batch_message(await get_batch(self._batching, tenant_id, request.batch_id))

    async def ListBatches(self, request: wire.ListBatchesRequest, context: Any) -> wire.ListBatchesResponse:
        """Lists the batches of a template."""
        tenant_id, state = current_call().tenant_id, convert.state_of(request)
        place, limit = self._batch_pages.place(tenant_id, request), page_limit(request)
        page = await list_batches(self._batching, tenant_id, request.template_id, state, limit, place)
        return wire.ListBatchesResponse(
            batches=[convert.batch_message(view) for view in page.batches],
            next_page_token=self._batch_pages.next_token(tenant_id, request, page.after),
        )

    async def PauseBatch(self, request: wire.PauseBatchRequest, context: Any) -> wire.Batch:
        """Begins no further run."""
        tenant_id, asked = current_call().tenant_id, _asked("PauseBatch", request)
        return convert.batch_message(await pause_batch(self._batching, tenant_id, request.batch_id, asked))

    async def ResumeBatch(self, request: wire.ResumeBatchRequest, context: Any) -> wire.Batch:
        """Goes on with a paused batch."""
        tenant_id, asked = current_call().tenant_id, _asked("ResumeBatch", request)
        how = (request.batch_id, request.accept_drift, request.retry_failed)
        return convert.batch_message(await resume_batch(self._batching, tenant_id, *how, asked))

    async def CancelBatch(self, request: wire.CancelBatchRequest, context: Any) -> wire.Batch:
        """Ends a batch."""
        tenant_id, asked = current_call().tenant_id, _asked("CancelBatch", request)
        return convert.batch_message(await cancel_batch(self._batching, tenant_id, request.batch_id, asked))


class BatchPages:
    """Places in the list of a template's batches as opaque page tokens, and back."""

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    def place(self, tenant_id: str, request: wire.ListBatchesRequest) -> BatchPlace | None:
        """Where the page begins; raises LaceError PAGE_TOKEN_INVALID."""
        cursor = self._tokens.decode(_LIST, _arguments(tenant_id, request), request.page_token)
        return (datetime.fromisoformat(str(cursor[0])), str(cursor[1])) if cursor else None

    def next_token(self, tenant_id: str, request: wire.ListBatchesRequest, after: BatchPlace | None) -> str:
        """The token of the page after this one; empty at the end."""
        if after is None:
            return ""
        return self._tokens.encode(_LIST, _arguments(tenant_id, request), (after[0].isoformat(), after[1]))


def _arguments(tenant_id: str, request: wire.ListBatchesRequest) -> dict[str, object]:
    return {"tenant_id": tenant_id, "template_id": request.template_id, "state": int(request.state)}


def _asked(method: str, request: Any) -> tuple[str, bytes]:
    return f"{_SERVICE}/{method}", canonical_request(request)
