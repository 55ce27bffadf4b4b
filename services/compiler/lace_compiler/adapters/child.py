"""What runs in the child process: bytes of a revision in, bytes of a compiled file out."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from lace_compiler.adapters.renderers import renderer_of
from lace_compiler.domain.compose import compose
from lace_compiler.domain.settings import CompileSettings, PageSize
from lace_compiler.domain.target import Target, filename
from lace_core import ir
from lace_core.errors import LaceError, Reason
from lace_core.migrations.stored import Stored, stored_of
from lace_core.verification.report import Report, decode


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One compilation; the settings are those that the bytes depend on."""

    ir: bytes
    revision_id: str
    ir_hash: str
    target: str
    page_size: str
    toc_depth: int
    quotes: bool
    appendices: bool = True
    verification: bytes = b""


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """The file and what goes with it."""

    data: bytes
    filename: str
    warnings: tuple[str, ...]
    source_ids: tuple[str, ...]
    labels: tuple[str, ...]


encode_request: Callable[[Request], bytes] = msgspec.msgpack.Encoder().encode
decode_response: Callable[[bytes], Response] = msgspec.msgpack.Decoder(Response).decode


def run(argument: bytes) -> bytes:
    """A request's response. Raises IR_INVALID, BLOB_CORRUPT (not the revision that was promised), COMPILE_FAILED."""
    request = msgspec.msgpack.decode(argument, type=Request)
    return msgspec.msgpack.encode(compile_one(request))


def compile_one(request: Request) -> Response:
    """The pure function that compiling is: the same request gives the same response in every process."""
    artifact = _artifact(request)
    target = Target(request.target)
    # The ontology is data: leaving its evidence out would leave nothing that it is for.
    appendices = request.appendices or target is Target.OWL
    settings = CompileSettings(PageSize(request.page_size), request.toc_depth, request.quotes, appendices)
    report = _report(request.verification) if request.verification else None
    document = compose(artifact, request.revision_id, request.ir_hash, settings, report)
    rendered = renderer_of(target).render(document, settings)
    return Response(
        data=rendered.data,
        filename=filename(document.title, target),
        warnings=tuple(f"{notice.code}: {notice.message}" for notice in (*document.notices, *rendered.notices)),
        source_ids=tuple(source.source_id for source in artifact.sources),
        labels=tuple(sorted({label for source in artifact.sources for label in source.labels})),
    )


def _report(verification: bytes) -> Report:
    try:
        return decode(verification)
    except ValueError as error:
        raise LaceError(Reason.IR_INVALID, f"The report on the revision's verification is none: {error}.") from error


def _artifact(request: Request) -> ir.Artifact:
    try:
        stored = stored_of(request.ir)
    except ValueError as error:
        raise LaceError(Reason.IR_INVALID, f"The revision's snapshot is no document: {error}.") from error
    if request.ir_hash and _root_of(stored) != request.ir_hash:
        raise LaceError(Reason.BLOB_CORRUPT, f"The snapshot is not revision {request.revision_id}: its root differs.")
    return stored.artifact


def _root_of(stored: Stored) -> str:
    try:
        return stored.ir_hash()
    except (ValueError, TypeError) as error:
        raise LaceError(Reason.IR_INVALID, f"The revision's snapshot has no hash: {error}.") from error
