"""The mapping of bundles to and from the wire messages of lace.ingest.v1."""

from __future__ import annotations

from lace.ingest.v1 import bundles_pb2 as pb
from lace_ingest.app.bundles import NewBundle
from lace_ingest.domain.bundles import Bundle, Edit, Shown
from lace_proto.times import to_timestamp


def new_bundle_of(wire: pb.CreateBundleRequest) -> NewBundle:
    """What a new bundle is to be."""
    return NewBundle(
        name=wire.name,
        description=wire.description,
        labels=tuple(wire.labels),
        private=wire.private,
        source_ids=tuple(wire.source_ids),
        note=wire.note,
    )


def edit_of(wire: pb.CreateBundleVersionRequest) -> Edit:
    """What is to become of a bundle's sources."""
    return Edit(
        source_ids=tuple(wire.source_ids),
        add=tuple(wire.add),
        remove=tuple(wire.remove),
        expected=wire.expected_version if wire.HasField("expected_version") else None,
        note=wire.note,
    )


def bundle_to_wire(bundle: Bundle, latest: Shown | None = None) -> pb.Bundle:
    """A bundle, with its newest version where that is to be shown."""
    return pb.Bundle(
        bundle_id=bundle.bundle_id,
        name=bundle.name,
        description=bundle.description,
        labels=bundle.labels,
        version=bundle.version,
        created_at=to_timestamp(bundle.created_at),
        created_by=bundle.created_by,
        updated_at=to_timestamp(bundle.updated_at),
        latest=None if latest is None else version_to_wire(latest),
    )


def version_to_wire(shown: Shown) -> pb.BundleVersion:
    """A version as the caller sees it."""
    version = shown.version
    return pb.BundleVersion(
        bundle_id=version.bundle_id,
        version=version.version,
        source_ids=shown.source_ids,
        sha256=version.sha256,
        withheld_count=shown.withheld,
        note=version.note,
        created_at=to_timestamp(version.created_at),
        created_by=version.created_by,
    )
