"""lace.ingest.v1.BundleService: decode, one use case, encode."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from lace.ingest.v1 import bundles_pb2 as pb
from lace.ingest.v1 import bundles_pb2_grpc as services
from lace_core.canonical import canonical_json
from lace_ingest.api.convert import caller_of
from lace_ingest.api.convert_bundles import bundle_to_wire, edit_of, new_bundle_of, version_to_wire
from lace_ingest.app import bundles
from lace_ingest.app.ports import Ingest, Mutation
from lace_platform.paging import PageTokens
from lace_platform.rpc import current_call, say_status
from lace_proto import json as wire_json


class BundleServicer(services.BundleServiceServicer):
    """lace.ingest.v1.BundleService."""

    def __init__(self, ingest: Ingest, tokens: PageTokens) -> None:
        self._ingest = ingest
        self._tokens = tokens

    async def CreateBundle(self, request: pb.CreateBundleRequest, context: Any) -> pb.Bundle:
        """Makes a bundle."""
        caller, wanted = caller_of(current_call()), new_bundle_of(request)
        made = await bundles.create_bundle(self._ingest, caller, wanted, _mutation("CreateBundle", request))
        return bundle_to_wire(*made)

    async def ListBundles(self, request: pb.ListBundlesRequest, context: Any) -> pb.ListBundlesResponse:
        """A page of the bundles that the caller may see, by name."""
        caller = caller_of(current_call())
        page = self._tokens.page("ListBundles", {"tenant": caller.tenant_id}, request)
        found = await bundles.list_bundles(self._ingest, caller, page.limit, page.name)
        shown, token = page.cut(found, lambda bundle: (bundle.name,))
        return pb.ListBundlesResponse(bundles=map(bundle_to_wire, shown), next_page_token=token)

    async def GetBundle(self, request: pb.GetBundleRequest, context: Any) -> pb.Bundle:
        """A bundle with its newest version."""
        return bundle_to_wire(*await bundles.get_bundle(self._ingest, caller_of(current_call()), request.bundle_id))

    async def CreateBundleVersion(self, request: pb.CreateBundleVersionRequest, context: Any) -> pb.BundleVersion:
        """Makes the next version, or shows the newest where nothing would change."""
        caller, mutation = caller_of(current_call()), _mutation("CreateBundleVersion", request)
        shown, made = await bundles.edit_bundle(self._ingest, caller, request.bundle_id, edit_of(request), mutation)
        if not made:
            say_status(context, 200)
        return version_to_wire(shown)

    async def ListBundleVersions(
        self, request: pb.ListBundleVersionsRequest, context: Any
    ) -> pb.ListBundleVersionsResponse:
        """A page of a bundle's versions, newest first."""
        caller = caller_of(current_call())
        arguments = {"tenant": caller.tenant_id, "bundle": request.bundle_id}
        page = self._tokens.page("ListBundleVersions", arguments, request, maximum=100)
        found = await bundles.list_versions(self._ingest, caller, request.bundle_id, page.limit, page.number)
        shown, token = page.cut(found, lambda one: (one.version.version,))
        return pb.ListBundleVersionsResponse(versions=map(version_to_wire, shown), next_page_token=token)

    async def GetBundleVersion(self, request: pb.GetBundleVersionRequest, context: Any) -> pb.BundleVersion:
        """A version of a bundle."""
        caller = caller_of(current_call())
        return version_to_wire(await bundles.get_version(self._ingest, caller, request.bundle_id, request.version))

    async def RefreshBundle(self, request: pb.RefreshBundleRequest, context: Any) -> pb.BundleVersion:
        """Makes the next version with the newest of each document, or shows the newest where nothing would change."""
        caller, mutation = caller_of(current_call()), _mutation("RefreshBundle", request)
        expected = request.expected_version if request.HasField("expected_version") else None
        shown, made = await bundles.refresh_bundle(
            self._ingest, caller, request.bundle_id, expected, request.note, mutation
        )
        if not made:
            say_status(context, 200)
        return version_to_wire(shown)


def _mutation(route: str, request: Message) -> Mutation:
    return Mutation(route, canonical_json(wire_json.to_python(request)))
