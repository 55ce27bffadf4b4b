"""What the use cases need of the outside world."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lace_compiler.domain.attempt import Bundle, Cause, Compiled, Origin, Transformation
from lace_compiler.domain.document import Document, Notice
from lace_compiler.domain.settings import CompileLimits, CompileSettings
from lace_compiler.domain.target import Target


@dataclass(frozen=True, slots=True)
class Rendered:
    """A finished file and what its reader should know about it."""

    data: bytes
    notices: tuple[Notice, ...] = ()


class Renderer(Protocol):
    """Writes a document in one format."""

    def render(self, document: Document, settings: CompileSettings) -> Rendered:
        """The file; the same document and settings give the same bytes in every process.

        Raises COMPILE_FAILED where the format cannot hold the document.
        """
        ...


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker needs to compile one target; `ir` is the revision's snapshot as it is stored, `verification` the
    report on it as JSON or empty.
    """

    ir: bytes
    revision_id: str
    ir_hash: str
    target: Target
    settings: CompileSettings
    verification: bytes = b""


@dataclass(frozen=True, slots=True)
class Result:
    """What a worker made: the file, a name to save it under, what a person should know, and where it comes from."""

    data: bytes
    filename: str
    warnings: tuple[str, ...]
    origin: Origin


class Worker(Protocol):
    """Compiles in a process of its own, within limits."""

    async def compile(self, work: Work, limits: CompileLimits) -> Result:
        """The compiled file. Raises IR_INVALID, BLOB_CORRUPT, COMPILE_FAILED."""
        ...


class Files(Protocol):
    """Snapshots of revisions in, compiled files out."""

    async def read_ir(self, uri: str, sha256: str) -> bytes:
        """The snapshot of a revision. Raises BLOB_NOT_FOUND, BLOB_CORRUPT."""
        ...

    async def write_bundle(self, tenant_id: str, key: str, data: bytes, media_type: str, filename: str) -> Bundle:
        """Stores a compiled file under the tenant's key; the same again is no change. Raises BLOB_CONFLICT."""
        ...

    def download_url(self, tenant_id: str, bundle: Bundle) -> str:
        """A signed path to download the file, good for some minutes."""
        ...


class CompiledRepository(Protocol):
    """The attempts of a tenant; they are added and read, never changed."""

    async def next_attempt(self, tenant_id: str, artifact_id: str, revision_id: str, target: str) -> int:
        """The number of the next attempt at a target, from 1; nobody else takes it until the unit of work ends."""
        ...

    async def add(self, tenant_id: str, run_id: str, job_id: str, compiled: Compiled) -> None:
        """Keep an attempt."""
        ...

    async def newest(
        self,
        tenant_id: str,
        artifact_id: str,
        revision_id: str,
        limit: int,
        before: tuple[datetime, str] | None,
        labels: frozenset[str],
    ) -> Sequence[Compiled]:
        """Attempts at an artifact (of one revision, where that is not empty), newest first, those before a place: of
        those whose labels are all among these.
        """
        ...


class UnitOfWork(Protocol):
    """One transaction in a tenant; leaving it without `commit` undoes everything."""

    @property
    def compiled(self) -> CompiledRepository:
        """The attempts."""
        ...

    async def claim(self, cause: Cause) -> bool:
        """Whether this message's effect is still to be made; true once, in the transaction that makes it."""
        ...

    async def tell(self, made: Transformation) -> None:
        """Tell who waits for the order, and provenance, once the unit of work is committed."""
        ...

    async def commit(self) -> None:
        """Make it durable."""
        ...


class Units(Protocol):
    """Opens units of work."""

    def of_tenant(self, tenant_id: str) -> AbstractAsyncContextManager[UnitOfWork]:
        """Within a tenant."""
        ...


class Clock(Protocol):
    """Tells the time of records; nothing that is compiled depends on it."""

    def __call__(self) -> datetime:
        """Now, in UTC."""
        ...
